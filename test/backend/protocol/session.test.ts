import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { MAX_LINE_BYTES } from '../../../backend/src/protocol/handshake.ts';
import { METHODS } from '../../../backend/src/protocol/methods.ts';
import { HvError } from '../../../backend/src/support/errors.ts';
import type { OperationContext } from '../../../backend/src/support/progress.ts';
import { Client } from './client.ts';
import { BACKUP, fakeOperations } from './fake-operations.ts';

const backup = { host: 'sim:lab', vm: 'web01', repository: '/backups' };

/** A backup that runs until it is cancelled, then takes a moment to clean up. */
function endless(log: string[] = []) {
  return async (_params: unknown, context: OperationContext): Promise<never> => {
    log.push('started');
    await new Promise((resolve) => context.signal!.addEventListener('abort', resolve, { once: true }));
    await delay(30);
    log.push('cleaned up');
    throw new HvError('CANCELLED', 'The operation was cancelled.');
  };
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await delay(1);
};

describe('handshake', () => {
  it('must be first', async () => {
    const client = new Client(fakeOperations({}));
    const refused = await client.request(1, 'vm/list', { host: 'sim:lab' });
    expect(refused.error).toMatchObject({ code: -32600, data: { code: 'PROTOCOL_INVALID' } });
    expect(refused.error!.data.advice).toContain('initialize');
  });

  it('tells versions and capabilities', async () => {
    const client = new Client(fakeOperations({}));
    const { result } = await client.request(1, 'initialize', {
      protocolVersion: '1.7',
      client: { name: 't', version: '1' },
    });
    expect(result).toMatchObject({
      protocolVersion: '1.0',
      server: { name: 'hvbackup' },
      maxLineBytes: MAX_LINE_BYTES,
    });
    expect(result.capabilities.methods).toEqual(Object.keys(METHODS));
    expect((await client.request(2, 'initialize', { protocolVersion: '1.0' })).error).toMatchObject({ code: -32600 });
  });

  it.each(['2.0', '0.9', '10.0'])('refuses protocol version %s', async (protocolVersion) => {
    const client = new Client(fakeOperations({}));
    const { error } = await client.request(1, 'initialize', { protocolVersion });
    expect(error!.data).toMatchObject({
      code: 'PROTOCOL_VERSION',
      data: { requested: protocolVersion, supported: ['1.0'] },
    });
    expect((await client.request(2, 'vm/list', { host: 'sim:lab' })).error).toBeDefined();
  });

  it.each([undefined, {}, { protocolVersion: 1 }, { protocolVersion: 'latest' }])('refuses %j', async (params) => {
    const client = new Client(fakeOperations({}));
    expect((await client.request(1, 'initialize', params)).error).toMatchObject({ code: -32602 });
  });
});

describe('messages', () => {
  it.each([
    ['not JSON', 'hello', -32700],
    ['half a message', '{"jsonrpc":"2.0",', -32700],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"vm/list"}]', -32600],
    ['a number', '42', -32600],
    ['null', 'null', -32600],
    ['an object', '{}', -32600],
    ['a method that is no text', '{"jsonrpc":"2.0","id":null,"method":{"a":1}}', -32600],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{"a":1},"method":"vm/list"}', -32600],
    ['an answer', '{"jsonrpc":"2.0","id":null,"result":{}}', -32600],
    ['no version', '{"id":null,"method":"vm/list"}', -32600],
    ['a null id', '{"jsonrpc":"2.0","id":null,"method":"vm/list"}', -32600],
  ])('answers %s with an error and goes on', async (_what, line, code) => {
    const client = await Client.initialized(fakeOperations({ listVms: async () => ({ vms: [] }) }));
    client.raw(`${line}\n`);
    expect((await client.answer(null)).error).toMatchObject({ code, data: { code: 'PROTOCOL_INVALID' } });
    expect((await client.request(9, 'vm/list', { host: 'sim:lab' })).result).toEqual({ vms: [] });
  });

  it('drops a line that is too long and goes on', async () => {
    const client = await Client.initialized(fakeOperations({ listVms: async () => ({ vms: [] }) }));
    for (let i = 0; i < 5; i++) client.raw('x'.repeat(1024 * 1024));
    client.raw('\n');
    expect((await client.answer(null)).error).toMatchObject({ code: -32700 });
    expect((await client.request(9, 'vm/list', { host: 'sim:lab' })).result).toEqual({ vms: [] });
  });

  it('refuses unknown methods, also names of Object.prototype', async () => {
    const client = await Client.initialized(fakeOperations({}));
    for (const method of ['vm/explode', 'constructor', '__proto__', 'toString']) {
      expect((await client.request(method, method)).error).toMatchObject({ code: -32601 });
    }
  });

  it('refuses an id that is running', async () => {
    const client = await Client.initialized(fakeOperations({ backupVm: endless() }));
    client.send({ id: 1, method: 'vm/backup', params: backup });
    expect((await client.request(1, 'vm/list', { host: 'sim:lab' })).error!.message).toContain('still running');
  });

  it('runs nothing for a notification', async () => {
    const log: string[] = [];
    const client = await Client.initialized(fakeOperations({ backupVm: endless(log) }));
    client.send({ method: 'vm/backup', params: backup });
    client.input.end();
    await client.ended;
    expect(log).toEqual([]);
    expect(client.logs.join()).toContain('vm/backup');
  });

  it('carries code, advice and data of an error', async () => {
    const client = await Client.initialized(
      fakeOperations({
        showVm: async () => {
          throw new HvError('VM_NOT_FOUND', 'There is no VM "x".', {
            advice: 'Check the name.',
            data: { known: ['y'] },
          });
        },
      }),
    );
    expect((await client.request(1, 'vm/show', { host: 'sim:lab', vm: 'x' })).error).toEqual({
      code: -32001,
      message: 'There is no VM "x".',
      data: { code: 'VM_NOT_FOUND', message: 'There is no VM "x".', advice: 'Check the name.', data: { known: ['y'] } },
    });
    expect((await client.request(2, 'vm/show', { host: 'sim:lab' })).error).toMatchObject({
      code: -32602,
      data: { code: 'PROTOCOL_INVALID', data: { issues: [{ path: 'vm' }] } },
    });
  });

  it('answers side by side, as each is done', async () => {
    const client = await Client.initialized(
      fakeOperations({
        backupVm: async ({ vm }) => {
          await delay(vm === 'slow' ? 100 : 1);
          return { ...BACKUP, vmName: vm };
        },
      }),
    );
    const slow = client.request('slow', 'vm/backup', { ...backup, vm: 'slow' });
    const fast = client.request('fast', 'vm/backup', { ...backup, vm: 'fast' });
    expect([(await slow).result.vmName, (await fast).result.vmName]).toEqual(['slow', 'fast']);
    expect(client.messages.map((message) => message.id)).toEqual(['init', 'fast', 'slow']);
  });
});

describe('progress, warnings and cancellation', () => {
  const chatty = async (_params: unknown, context: OperationContext) => {
    for (let done = 0; done <= 100; done++) {
      context.progress?.({ phase: 'read', vmName: 'web01', disk: 0, doneBytes: done * 1e6, totalBytes: 1e8 });
      await delay(10);
    }
    context.warn?.('The guest was slow.');
    return BACKUP;
  };

  it('sends progress at 5 Hz at most, with rate and remaining time, under the token', async () => {
    const client = await Client.initialized(fakeOperations({ backupVm: chatty }));
    const started = performance.now();
    await client.request(7, 'vm/backup', { ...backup, progressToken: 'my token' });
    const elapsed = performance.now() - started;
    const progress = client.messages.filter((message) => message.method === '$/progress');
    expect(progress.length).toBeGreaterThan(1);
    expect(progress.length).toBeLessThanOrEqual(elapsed / 200 + 1);
    expect(progress.every((message) => message.params.token === 'my token')).toBe(true);
    const last = progress.at(-1)!.params;
    expect(last).toMatchObject({ phase: 'read', vmName: 'web01', disk: 0, totalBytes: 1e8 });
    expect(last.bytesPerSecond).toBeGreaterThan(0);
    expect(last.remainingMs).toBeGreaterThanOrEqual(0);
    expect(client.messages.at(-2)).toMatchObject({ method: '$/warning', params: { message: 'The guest was slow.' } });
    expect(client.messages.at(-1)!.id).toBe(7);
  });

  it('uses the id where there is no token', async () => {
    const client = await Client.initialized(fakeOperations({ backupVm: chatty }));
    client.send({ id: 7, method: 'vm/backup', params: backup });
    expect((await client.next((message) => message.method === '$/progress')).params.token).toBe(7);
  });

  it('leaves progress out while nobody reads, and still answers', async () => {
    const client = await Client.initialized(fakeOperations({ backupVm: chatty }));
    client.output.pause();
    client.send({ id: 7, method: 'vm/backup', params: { ...backup, progressToken: 'x'.repeat(20_000) } });
    await delay(1200);
    expect(client.output.readableLength).toBeLessThan(100_000);
    client.output.resume();
    expect((await client.answer(7)).result.vmName).toBe('web01');
  });

  it('cancels the one request that is named', async () => {
    const log: string[] = [];
    const client = await Client.initialized(
      fakeOperations({ backupVm: endless(log), listVms: async () => ({ vms: [] }) }),
    );
    client.send({ id: 'a', method: 'vm/backup', params: backup });
    client.send({ id: 'b', method: 'vm/backup', params: backup });
    await until(() => log.length === 2);
    client.send({ method: '$/cancelRequest', params: { id: 'a' } });
    client.send({ method: '$/cancelRequest', params: { id: 'gone' } });
    client.send({ method: '$/cancelRequest' });
    expect((await client.answer('a')).error).toMatchObject({ code: -32005, data: { code: 'CANCELLED' } });
    expect(log).toEqual(['started', 'started', 'cleaned up']);
    expect((await client.request(3, 'vm/list', { host: 'sim:lab' })).result).toEqual({ vms: [] });
  });

  it('does not begin what is cancelled before', async () => {
    const log: string[] = [];
    const client = await Client.initialized(fakeOperations({ backupVm: endless(log) }));
    const messages = [
      { id: 'a', method: 'vm/backup', params: backup },
      { method: '$/cancelRequest', params: { id: 'a' } },
    ];
    client.raw(messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''));
    expect((await client.answer('a')).error).toMatchObject({ code: -32005, data: { code: 'CANCELLED' } });
    expect(log).toEqual([]);
  });
});

describe('the end', () => {
  it('of stdin cancels every job and waits until it is cleaned up', async () => {
    const log: string[] = [];
    const client = await Client.initialized(fakeOperations({ backupVm: endless(log) }));
    client.send({ id: 1, method: 'vm/backup', params: backup });
    client.send({ id: 2, method: 'vm/backup', params: backup });
    await until(() => log.length === 2);
    client.input.end();
    await client.ended;
    expect(log).toEqual(['started', 'started', 'cleaned up', 'cleaned up']);
    expect((await client.answer(2)).error!.data.code).toBe('CANCELLED');
  });

  it('by shutdown: cancels, answers it last, refuses what comes after', async () => {
    const client = await Client.initialized(fakeOperations({ backupVm: endless() }));
    client.send({ id: 1, method: 'vm/backup', params: backup });
    const answer = client.request(2, 'shutdown');
    const late = client.request(3, 'vm/list', { host: 'sim:lab' });
    expect((await answer).result).toEqual({});
    expect((await late).error!.message).toContain('closing');
    await client.ended;
    expect(client.messages.map((message) => message.id)).toEqual(['init', 3, 1, 2]);
  });

  it('by a signal', async () => {
    const log: string[] = [];
    const controller = new AbortController();
    const client = new Client(fakeOperations({ backupVm: endless(log) }), controller.signal);
    await client.request(0, 'initialize', { protocolVersion: '1.0' });
    client.send({ id: 1, method: 'vm/backup', params: backup });
    await delay(20);
    controller.abort();
    await client.ended;
    expect(log).toEqual(['started', 'cleaned up']);
  });

  it('when nobody reads stdout any more', async () => {
    const log: string[] = [];
    const client = await Client.initialized(fakeOperations({ backupVm: endless(log) }));
    client.send({ id: 1, method: 'vm/backup', params: backup });
    await delay(20);
    client.output.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await client.ended;
    expect(log).toEqual(['started', 'cleaned up']);
  });
});

describe('a backend that is kept for the next request', () => {
  const idle = { protocolVersion: '1.0', idleTimeoutMs: 150 };

  it('says that it ends and ends when nothing was asked for as long as the client said', async () => {
    const client = new Client(fakeOperations({ listVms: async () => ({ vms: [] }) }));
    await client.request(1, 'initialize', idle);
    expect(await client.ended).toBeNull();
    expect(client.messages.at(-1)).toMatchObject({ method: '$/ending', params: { reason: 'idle' } });
  });

  it('does not end while a request runs, however long', async () => {
    let done = (): void => undefined;
    const listVms = () =>
      new Promise<{ vms: [] }>((resolve) => {
        done = () => resolve({ vms: [] });
      });
    const client = new Client(fakeOperations({ listVms }));
    await client.request(1, 'initialize', idle);
    const answer = client.request(2, 'vm/list', { host: 'sim:lab' });
    await delay(400);
    expect(client.messages.some(({ method }) => method === '$/ending')).toBe(false);
    done();
    expect((await answer).result).toEqual({ vms: [] });
    await client.ended;
    expect(client.messages.at(-1)?.method).toBe('$/ending');
  });

  it('begins nothing that comes after that word', async () => {
    const log: string[] = [];
    const listVms = async () => {
      log.push('begun');
      return { vms: [] };
    };
    const client = new Client(fakeOperations({ listVms }));
    // As it is when the request is on its way already.
    const send = (): void => client.send({ id: 2, method: 'vm/list', params: { host: 'sim:lab' } });
    void client.next(({ method }) => method === '$/ending').then(send);
    await client.request(1, 'initialize', idle);
    await client.ended;
    expect(log).toEqual([]);
  });

  it('without a time waits for ever', async () => {
    const client = await Client.initialized(fakeOperations({ listVms: async () => ({ vms: [] }) }));
    await delay(400);
    expect((await client.request(2, 'vm/list', { host: 'sim:lab' })).result).toEqual({ vms: [] });
  });

  it.each([0, -1, 1.5, '60000', 1e12])('refuses the time %j', async (idleTimeoutMs) => {
    const client = new Client(fakeOperations({}));
    const { error } = await client.request(1, 'initialize', { protocolVersion: '1.0', idleTimeoutMs });
    expect(error).toMatchObject({ code: -32602 });
  });
});

describe('partial results', () => {
  const several = { host: 'sim:lab', vms: [], repository: '/backups' };
  const backupVms = async (_params: unknown, context: OperationContext) => {
    const results = ['a', 'b', 'c'].map((vmName) => ({ ...BACKUP, vmName }));
    for (const result of results) context.partial?.(result);
    return { results, asked: 3 };
  };

  it('come under the token of the request, each once, before the answer that has them all', async () => {
    const client = await Client.initialized(fakeOperations({ backupVms }));
    const { result } = await client.request(2, 'host/backup', { ...several, partialResultToken: 'mine' });
    const parts = client.messages.filter(({ method }) => method === '$/partialResult');
    expect(parts.map(({ params }) => params.token)).toEqual(['mine', 'mine', 'mine']);
    expect(parts.map(({ params }) => params.value)).toEqual(result.results);
    expect(client.messages.at(-1)?.id).toBe(2);
  });

  it('do not come unasked, nor for a method that has none', async () => {
    const client = await Client.initialized(
      fakeOperations({
        backupVms,
        backupVm: async (_params, context) => {
          context.partial?.(BACKUP);
          return BACKUP;
        },
      }),
    );
    await client.request(2, 'host/backup', several);
    await client.request(3, 'vm/backup', { ...backup, partialResultToken: 'mine' });
    expect(client.messages.some(({ method }) => method === '$/partialResult')).toBe(false);
  });
});
