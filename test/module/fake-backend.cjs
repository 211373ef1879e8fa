/**
 * A backend that plays back what a test wrote: HVBACKUP_FAKE names a folder with script.json, { method: [step, …] }.
 * Each request of a method plays its steps: { progress }, { warning }, { waitMs }, { result }, { error }, { hang: true },
 * { exit }, { stderr }, { partial }, { ending: true }. Every line received goes to received.txt, what ends it to ended.txt.
 */
const fs = require('node:fs');
const path = require('node:path');

const folder = process.env.HVBACKUP_FAKE;
const script = JSON.parse(fs.readFileSync(path.join(folder, 'script.json'), 'utf8'));
const contract = JSON.parse(fs.readFileSync(path.join(__dirname, 'protocol-contract.json'), 'utf8'));
const note = (file, text) => fs.appendFileSync(path.join(folder, file), `${text}\n`);
const send = (message) => fs.writeSync(1, `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

note('processes.txt', process.pid);
let buffer = Buffer.alloc(0);
process.stdin.on('data', (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  for (let end = buffer.indexOf(10); end >= 0; end = buffer.indexOf(10)) {
    const line = buffer.subarray(0, end);
    buffer = buffer.subarray(end + 1);
    fs.appendFileSync(path.join(folder, 'received.txt'), Buffer.concat([line, Buffer.from('\n')]));
    // .NET Framework may begin the stream with a byte order mark; the real backend allows it, so does this one.
    receive(JSON.parse(line.toString('utf8').replace(/^\u{feff}/u, '')));
  }
});
process.stdin.on('end', () => {
  note('ended.txt', 'end of stdin');
  process.exit(0);
});

const queues = {};
const hanging = new Set();
async function receive({ id, method, params }) {
  // What hangs lets itself be cancelled.
  if (method === '$/cancelRequest' && hanging.delete(params.id) && !script.deaf)
    send({ id: params.id, error: { code: -32005, message: 'Cancelled.', data: { code: 'CANCELLED', message: 'Cancelled.' } } });
  if (id === undefined) return;
  const all = script[method] ?? (method === 'initialize' ? [{ result: { protocolVersion: '1.0' } }] : [{ result: {} }]);
  // A list of lists: one list for each call of the method.
  const steps = Array.isArray(all[0]) ? all[Math.min((queues[method] = (queues[method] ?? -1) + 1), all.length - 1)] : all;
  for (const step of steps) {
    if (step.progress) send({ method: '$/progress', params: { token: id, ...step.progress } });
    if (step.warning) send({ method: '$/warning', params: { token: id, message: step.warning } });
    if (step.stderr) process.stderr.write('x'.repeat(step.stderr));
    if (step.waitMs) await new Promise((resolve) => setTimeout(resolve, step.waitMs));
    if (step.hang) {
      hanging.add(id);
      return;
    }
    if (step.partial) send({ method: '$/partialResult', params: { token: params.partialResultToken, value: step.partial } });
    // Once: the next process goes on with the step after it.
    if (step.ending) {
      if (fs.existsSync(path.join(folder, 'has-ended'))) continue;
      note('has-ended', 'idle');
      send({ method: '$/ending', params: { reason: 'idle' } });
      process.exit(0);
    }
    if (step.exit !== undefined) {
      process.stderr.write('the reason it ended\n');
      process.exit(step.exit);
    }
    if (step.result) {
      const partial = params?.partialResultToken === undefined ? undefined : contract.methods[method].partial;
      for (const value of step.result[partial] ?? [])
        send({ method: '$/partialResult', params: { token: params.partialResultToken, value } });
      send({ id, result: step.result });
    }
    if (step.error) send({ id, error: { code: -32001, message: step.error.message, data: step.error } });
  }
}
