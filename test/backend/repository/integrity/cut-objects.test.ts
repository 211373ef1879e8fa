/**
 * Objects that were cut short, at every length that ends within a header or trailer: each command says what is damaged,
 * and none fails by itself.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { HvError } from '../../../../backend/src/support/errors.ts';
import { CHEAP, PASSPHRASE } from '../support/encrypted.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, openMemory, sampleBytes } from '../support/model.ts';

const closing: StoredRepository[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});

/** Around the ends of fields and of the structures of 96, 64 and 36 bytes. */
const LENGTHS = [
  0, 1, 7, 8, 9, 11, 12, 27, 28, 35, 36, 43, 44, 59, 60, 63, 64, 65, 91, 92, 95, 96, 97, 130, 159, 160, 161,
];
/** Where nothing can be known of what is needed, nothing is done. */
const HONEST = [
  'REPOSITORY_DAMAGED',
  'REPOSITORY_DOUBTFUL',
  'REPOSITORY_NOT_FOUND',
  'NOT_SUPPORTED',
  'WRONG_PASSPHRASE',
];

describe.each([
  ['plain', {}],
  ['encrypted', { passphrase: PASSPHRASE, kdfCost: CHEAP }],
])('a repository that is %s, with an object that was cut', (_kind, options) => {
  it('is checked, verified, repaired and pruned, and no parser reads behind the end', async () => {
    const whole = new MemoryStorage();
    await (await createMemoryRepository(whole, options)).close();
    const first = await openMemory(whole, undefined, options);
    const { ref } = await backup(first, sampleBytes(4 * BLOCK, 1));
    await backup(first, sampleBytes(4 * BLOCK, 2), { base: ref, indices: [1] });
    await first.close();
    // One of each kind is enough: their first folder says which.
    const names = [...whole.objects.keys()].filter(
      (name, i, all) =>
        all.findIndex((other) => other.split('/')[0] === name.split('/')[0]) === i || name.startsWith('packs/'),
    );
    const problems: string[] = [];
    for (const name of names)
      for (const length of LENGTHS) {
        const bytes = whole.objects.get(name)!;
        if (length >= bytes.length) continue;
        const storage = new MemoryStorage();
        for (const [other, data] of whole.objects) storage.objects.set(other, data);
        storage.objects.set(name, Buffer.from(bytes.subarray(0, length)));
        for (const step of ['check', 'verify', 'repair', 'prune', 'check'] as const)
          try {
            const repository = await openMemory(storage, undefined, options);
            closing.push(repository);
            if (step === 'verify') await repository.verify([ref]);
            else await repository[step]();
          } catch (error) {
            const code = error instanceof HvError ? error.code : 'none';
            if (!HONEST.includes(code)) problems.push(`${name} cut to ${length}: ${step}: ${code}: ${error}`);
          }
      }
    expect(problems).toEqual([]);
  });
});
