// Writes the load: one report a line, its signature first. Usage: node reports.mjs COUNT SECRET > reports.txt
import { createHmac } from 'node:crypto'
const [count, secret] = [Number(process.argv[2]), process.argv[3]]
const body = n => JSON.stringify({
  provider: 'generic', repository: `acme/shop-${n % 16}`, branch: 'main',
  commitSha: n.toString(16).padStart(40, '0'), pipelineUrl: `https://ci.example/runs/${n}`, errorType: 'AssertionError',
  errorLog: `test_totals (tests.test_cart.Totals) ... FAIL\nTraceback (most recent call last):\n  File "tests/test_cart.py", line ${n % 90 + 10}, in test_totals\n` +
    `    self.assertEqual(total, ${n})\nAssertionError: ${n + 1} != ${n}\n\nFAILED (failures=1)\n`,
})
// A fixed sequence, so that every run of the bench sends the same.
let state = 42
const random = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648
const seen = []
const lines = []
for (let n = 0; n < count; n++) {
  const isRepeat = seen.length > 0 && random() < 0.2
  const text = isRepeat ? seen[Math.floor(random() * seen.length)] : body(n)
  const isForged = random() < 0.05
  if (!isRepeat && !isForged) seen.push(text)
  const signature = createHmac('sha256', isForged ? 'wrong' : secret).update(text).digest('hex')
  lines.push(`${signature} ${text}`)
}
process.stdout.write(lines.join('\n') + '\n')
process.stderr.write(`${seen.length}\n`)
