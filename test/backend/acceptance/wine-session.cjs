/**
 * Runs inside Wine with Windows Node: talks to `hvbackup serve`, kills it in the middle of backups, and writes what the next
 * backup says. Arguments: bundle, host, VM, repository, file for the answer.
 */
const { spawn } = require('node:child_process');
const { writeFileSync } = require('node:fs');
const [bundle, host, vm, repository, answer] = process.argv.slice(2);

function start() {
  const child = spawn(process.execPath, [bundle, 'serve'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = new Map();
  const session = { child, onProgress: () => {}, next: 0 };
  let buffer = '';
  child.stdout.on('data', (data) => {
    buffer += data;
    for (let end = buffer.indexOf('\n'); end >= 0; end = buffer.indexOf('\n')) {
      const message = JSON.parse(buffer.slice(0, end));
      buffer = buffer.slice(end + 1);
      if (message.method) session.onProgress(message);
      else waiting.get(message.id)?.(message);
    }
  });
  session.call = (method, params) =>
    new Promise((resolve) => {
      const id = ++session.next;
      waiting.set(id, resolve);
      child.once('exit', () => resolve({ killed: true }));
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    });
  return session;
}

async function main() {
  const rounds = [];
  for (const after of [1, 2, 4]) {
    const victim = start();
    await victim.call('initialize', { protocolVersion: '1.0' });
    let seen = 0;
    victim.onProgress = () => {
      if (++seen === after) victim.child.kill('SIGKILL');
    };
    const cut = await victim.call('vm/backup', { host, vm, repository, mode: 'full' });
    victim.child.kill('SIGKILL');
    const next = start();
    await next.call('initialize', { protocolVersion: '1.0' });
    const done = await next.call('vm/backup', { host, vm, repository });
    rounds.push({ killed: cut.killed === true, error: done.error, warnings: done.result?.warnings });
    await new Promise((resolve) => {
      next.child.once('exit', resolve);
      next.child.stdin.end();
    });
  }
  writeFileSync(answer, JSON.stringify(rounds));
}

main().catch((error) => {
  writeFileSync(answer, JSON.stringify(String(error.stack)));
  process.exit(1);
});
