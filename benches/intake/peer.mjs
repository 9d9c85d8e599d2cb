// The peer: Fastify + pg, the same signature check, one durable insert. Usage: node peer.mjs POSTGRES_URL SECRET PORT
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import Fastify from 'fastify'
import pg from 'pg'
const [url, secret, port] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString: url, max: 20 })
await pool.query(`CREATE TABLE IF NOT EXISTS runs (id uuid PRIMARY KEY, repository text, commit_sha text, error_hash text, body jsonb,
  UNIQUE (repository, commit_sha, error_hash))`)
const app = Fastify({ logger: false })
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
app.get('/healthz', () => 'ok')
app.post('/api/v1/ci-healing/webhook', async (request, reply) => {
  const expected = createHmac('sha256', secret).update(request.body).digest()
  const given = Buffer.from((request.headers['x-hub-signature-256'] ?? '').slice(7), 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return reply.code(401).send({ error: 'signature' })
  const report = JSON.parse(request.body)
  const hash = createHmac('sha256', '').update(report.errorType + '|' + report.errorLog.split('\n').slice(0, 5).join('|').toLowerCase()).digest('hex')
  const id = randomUUID()
  const done = await pool.query('INSERT INTO runs VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id',
    [id, report.repository, report.commitSha, hash, request.body.toString()])
  return reply.code(202).send({ runId: id, status: 'queued', deduplicated: done.rowCount === 0 })
})
await app.listen({ port: Number(port), host: '127.0.0.1' })
console.error('listening')
