// The peers: Fastify with the same signature check, then one durable write by pg or by BullMQ. Usage: node peer.mjs pg|bullmq URL SECRET PORT
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import Fastify from 'fastify'
import pg from 'pg'
import { Queue } from 'bullmq'
const [kind, url, secret, port] = process.argv.slice(2)

const hashed = report => createHash('sha256').update(report.errorType + '|' + report.errorLog.split('\n').slice(0, 5).join('|').toLowerCase()).digest('hex')

async function postgres() {
  const pool = new pg.Pool({ connectionString: url, max: 20 })
  await pool.query(`CREATE TABLE IF NOT EXISTS runs (id uuid PRIMARY KEY, repository text, commit_sha text, error_hash text, body jsonb,
    UNIQUE (repository, commit_sha, error_hash))`)
  return async (report, body) => {
    const id = randomUUID()
    const done = await pool.query('INSERT INTO runs VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id',
      [id, report.repository, report.commitSha, hashed(report), body.toString()])
    return { runId: id, status: 'queued', deduplicated: done.rowCount === 0 }
  }
}

async function bullmq() {
  const { hostname, port } = new URL(url)
  const queue = new Queue('heal', { connection: { host: hostname, port: Number(port) } })
  await queue.waitUntilReady()
  return async (report, body) => {
    const jobId = createHash('sha256').update(JSON.stringify([report.repository, report.commitSha, hashed(report)])).digest('hex')
    const job = await queue.add('heal', { body: body.toString() }, { jobId })
    return { runId: job.id, status: 'queued' }
  }
}

const store = await { pg: postgres, bullmq }[kind]()
const app = Fastify({ logger: false })
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
app.get('/healthz', () => 'ok')
app.post('/api/v1/ci-healing/webhook', async (request, reply) => {
  const expected = createHmac('sha256', secret).update(request.body).digest()
  const given = Buffer.from((request.headers['x-hub-signature-256'] ?? '').slice(7), 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return reply.code(401).send({ error: 'signature' })
  return reply.code(202).send(await store(JSON.parse(request.body), request.body))
})
await app.listen({ port: Number(port), host: '127.0.0.1' })
console.error('listening')
