// BullMQ on Redis: the same adds, 64 in flight, repeats by job id. Usage: node queue.mjs REDIS_PORT < reports.txt
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Queue } from 'bullmq'
const queue = new Queue('heal', { connection: { host: '127.0.0.1', port: Number(process.argv[2]) } })
const bodies = readFileSync(0, 'utf8').trim().split('\n').map(it => it.slice(65))
const took = []
let next = 0
const began = performance.now()
await Promise.all(Array.from({ length: 64 }, async () => {
  while (next < bodies.length) {
    const body = bodies[next++]
    const start = performance.now()
    await queue.add('heal', { body }, { jobId: createHash('sha256').update(body).digest('hex') })
    took.push(performance.now() - start)
  }
}))
const seconds = (performance.now() - began) / 1000
took.sort((a, b) => a - b)
const at = share => took[Math.floor(took.length * share)].toFixed(1).padStart(6)
console.log(`${(bodies.length / seconds).toFixed(0).padStart(6)} add/s   p50 ${at(0.5)} ms   p99 ${at(0.99)} ms   max ${took.at(-1).toFixed(1).padStart(6)} ms`)
await queue.close()
