import { describe, expect, it } from 'vitest';
import { createInvoke } from '../../../backend/src/protocol/invoke.ts';
import type { MethodName } from '../../../backend/src/protocol/methods.ts';
import { PLANNED } from '../../../backend/src/protocol/planned.ts';
import { HvError } from '../../../backend/src/support/errors.ts';
import type { RepeatedCalls } from '../../../backend/src/support/progress.ts';
import { BACKUP, fakeOperations } from './fake-operations.ts';

const backup = { host: 'sim:lab', vm: 'web01', repository: '/backups' };

/** Untyped on purpose: parameters come from outside. */
const call = (invoke: ReturnType<typeof createInvoke>, method: string, params: unknown) =>
  invoke(method as MethodName, params as never, {});

describe('invoke', () => {
  it('counts what storages made repeat in the result, of all repositories together; nothing is absent', async () => {
    const counts: RepeatedCalls[] = [
      { calls: 2, waitedMs: 30, errors: { ESTALE: 2 } },
      { calls: 0, waitedMs: 0, errors: {} },
      { calls: 3, waitedMs: 5, errors: { ESTALE: 1, EIO: 2 } },
    ];
    const run = (given: RepeatedCalls[]) =>
      createInvoke(
        fakeOperations({
          backupVm: async (_params, { repeated }) => {
            for (const one of given) repeated?.(one);
            return BACKUP;
          },
          listVms: async (_params, { repeated }) => {
            repeated?.(given[0]!);
            return { vms: [] };
          },
        }),
        (defect) => expect.unreachable(defect),
      );
    expect((await run(counts)('vm/backup', backup, {})).storageRetries).toEqual({
      calls: 5,
      waitedMs: 35,
      errors: { ESTALE: 3, EIO: 2 },
    });
    expect(await run([counts[1]!])('vm/backup', backup, {})).not.toHaveProperty('storageRetries');
    // A result that has no such field stays as it is.
    expect(await run(counts)('vm/list', { host: 'sim:lab' }, {})).toEqual({ vms: [] });
  });

  it('fills in defaults before the operation runs', async () => {
    let seen: unknown;
    const operations = fakeOperations({
      backupVm: async (params) => {
        seen = params;
        return BACKUP;
      },
    });
    await createInvoke(operations)('vm/backup', backup, {});
    expect(seen).toEqual({
      ...backup,
      mode: 'auto',
      readMethod: 'auto',
      kind: 'vm',
      consistency: 'application',
      allowCrashConsistent: false,
      excludeDisks: [],
      compression: 'default',
      hold: false,
    });
  });

  it.each([
    ['a missing field', { host: 'sim:lab', vm: 'web01' }, 'repository'],
    ['a wrong type', { ...backup, excludeDisks: '0' }, 'excludeDisks'],
    ['an unknown value', { ...backup, mode: 'fast' }, 'mode'],
    ['an unknown field', { ...backup, moed: 'full' }, 'moed'],
    ['a field of a prototype', JSON.parse('{"host":"h","vm":"v","repository":"r","__proto__":{"x":1}}'), '__proto__'],
    ['no object', [], 'object'],
  ])('refuses %s by name', async (_what, params, named) => {
    const invoke = createInvoke(fakeOperations({ backupVm: async () => BACKUP }));
    const error = await call(invoke, 'vm/backup', params).catch((caught) => caught);
    expect(error).toBeInstanceOf(HvError);
    expect(error).toMatchObject({ code: 'PROTOCOL_INVALID', exitCode: 2 });
    expect(error.message).toContain(named);
  });

  it.each([48 * 1024, 8 * 1024 * 1024, 65537])('refuses a block size of %i', async (blockSize) => {
    const error = await createInvoke(fakeOperations({}))('repository/create', { location: '/r', blockSize }, {}).catch(
      (e) => e,
    );
    expect(error.code).toBe('PROTOCOL_INVALID');
  });

  it('refuses every planned parameter with advice, and before anything runs', async () => {
    const invoke = createInvoke(fakeOperations({}));
    for (const [method, parameters] of Object.entries(PLANNED)) {
      for (const name of Object.keys(parameters)) {
        const error = await call(invoke, method, { [name]: 1 }).catch((caught) => caught);
        expect(error).toMatchObject({ code: 'NOT_SUPPORTED', data: { method, parameter: name } });
        expect(error.advice).toMatch(/\.$/);
      }
    }
  });

  it('lets a planned parameter pass that says no', async () => {
    const invoke = createInvoke(fakeOperations({}));
    const params = { repository: 'r', point: '01JD', host: 'sim:lab', path: false };
    await expect(call(invoke, 'point/restore', params)).rejects.toMatchObject({ code: 'PROTOCOL_INVALID' });
  });

  it('turns whatever an operation throws into an HvError', async () => {
    const broken = createInvoke(fakeOperations({ backupVm: async () => Promise.reject(new TypeError('x is not y')) }));
    await expect(broken('vm/backup', backup, {})).rejects.toMatchObject({ code: 'INTERNAL' });
    const cancelled = createInvoke(
      fakeOperations({ backupVm: async (_params, context) => context.signal!.throwIfAborted() as never }),
    );
    await expect(cancelled('vm/backup', backup, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('hands a result on that does not match its schema, and says so', async () => {
    const defects: string[] = [];
    const odd = { ...BACKUP, durationMs: 1.5 };
    const invoke = createInvoke(fakeOperations({ backupVm: async () => odd }), (message) => defects.push(message));
    expect(await invoke('vm/backup', backup, {})).toEqual(odd);
    expect(defects).toEqual([expect.stringContaining('durationMs')]);
  });
});
