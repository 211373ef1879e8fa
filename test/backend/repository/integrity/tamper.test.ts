/** An encrypted repository in the hands of somebody who can write to it: nothing readable, nothing altered unseen. */
import { afterEach, describe, expect, it } from 'vitest';
import { checkOf } from '../../../../backend/src/repository/format/config.ts';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { isHvError } from '../../../../backend/src/support/errors.ts';
import { createEncrypted, PASSPHRASE, TestMemory } from '../support/encrypted.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, GROUP, openMemory, randomSource, readAll, sampleBytes, sha256 } from '../support/model.ts';

const opened: StoredRepository[] = [];
afterEach(async () => {
  for (const repository of opened.splice(0)) await repository.close();
});
const CHAIN = `chains/${GROUP}/00000001`;
const SECRET = 'A line that stands in the guest and nowhere else.';

/** Two VMs, a full and an incremental, records, a tombstone and a hold. */
async function prepared(seed = 0) {
  const storage = new MemoryStorage();
  const memory = new TestMemory();
  await (await createEncrypted(storage)).close();
  const repository = await openMemory(storage, undefined, { passphrase: PASSPHRASE, memory: () => memory });
  opened.push(repository);
  const disk = sampleBytes(40 * BLOCK, 1 + seed);
  disk.write(SECRET, 5 * BLOCK);
  const full = await backup(repository, disk);
  disk.write('changed', 7 * BLOCK);
  await backup(repository, disk, { base: full.ref, indices: [7] });
  await backup(repository, sampleBytes(3 * BLOCK, 2 + seed), { group: 'other-vm' });
  const { id } = await backup(repository, sampleBytes(2 * BLOCK, 3 + seed));
  await repository.removeManifest(id);
  await repository.records.put(CHAIN, { hostUri: 'hyperv:secret-host', path: 'C:\\VMs\\secret.vhdx', vm: 'web01' });
  await repository.records.put(`jobs/${GROUP}/1/1-started`, { machine: 'secret-host' });
  return { storage, memory, repository };
}

/**
 * Reads all there is in `storage`: every listed restore point must have its right content or an error that names an
 * object of the repository. @returns whether anything was noticed
 */
async function examine(storage: MemoryStorage, memory: TestMemory): Promise<boolean> {
  let noticed = false;
  const named = (error: unknown): void => {
    if (
      !isHvError(
        error,
        'REPOSITORY_DAMAGED',
        'WRONG_PASSPHRASE',
        'REPOSITORY_NOT_FOUND',
        'REPOSITORY_VERSION',
        'FILE_NOT_FOUND',
        'NOT_SUPPORTED',
      )
    )
      throw error;
    noticed = true;
  };
  let repository: StoredRepository;
  try {
    const copy = new TestMemory();
    copy.remember(memory.points());
    repository = await openMemory(storage, undefined, { passphrase: PASSPHRASE, memory: () => copy });
  } catch (error) {
    named(error);
    return noticed;
  }
  try {
    const damages: Damage[] = [];
    const points = await repository.listManifests(undefined, { onDamage: (damage) => damages.push(damage) });
    noticed ||=
      damages.length > 0 || repository.listingProblems().length > 0 || repository.unexpectedPoints().length > 0;
    for (const { contents, body } of points)
      try {
        expect(sha256(await readAll(repository, contents[0]!))).toBe((body as { sha256: string }).sha256);
      } catch (error) {
        named(error);
      }
    await repository.records.get(CHAIN).then((record) => {
      if (record === null) noticed = true;
      else expect(record).toMatchObject({ vm: 'web01' });
    }, named);
    const check = await repository.check();
    noticed ||= check.damages.length > 0;
  } finally {
    await repository.close();
  }
  return noticed;
}

describe('an encrypted repository', () => {
  it('shows nothing but sizes: no name, id, path or content in any object, in any form', async () => {
    const { storage } = await prepared();
    const needles = [GROUP, 'other-vm', 'web01', 'secret-host', 'secret.vhdx', SECRET, 'sha256', 'contents', 'hostUri'];
    const forms = (text: string): Buffer[] => {
      const raw = Buffer.from(text);
      const binary = /^[0-9a-f-]{36}$/.test(text) ? [Buffer.from(text.replaceAll('-', ''), 'hex')] : [];
      const base64 = [0, 1, 2].map((shift) => raw.subarray(shift, shift + 3 * Math.floor((raw.length - shift) / 3)));
      return [
        raw,
        Buffer.from(text, 'utf16le'),
        Buffer.from(text, 'utf16le').swap16(),
        Buffer.from(raw.toString('hex')),
        Buffer.from(raw.toString('hex').toUpperCase()),
        ...base64.filter((part) => part.length >= 6).map((part) => Buffer.from(part.toString('base64'))),
        ...binary,
      ];
    };
    for (const [name, bytes] of storage.objects)
      for (const needle of needles)
        for (const form of forms(needle)) {
          expect(name).not.toContain(needle);
          expect(bytes.includes(form) ? `${needle} in ${name}` : 'nothing').toBe('nothing');
        }
    // What names there are.
    for (const name of storage.objects.keys())
      expect(name).toMatch(
        /^((spare\/)?(hvbackup-repository\.json|keys\/[0-9a-f]{32})|packs\/..\/[0-9a-f]{32}|indexes\/[0-9a-f]{64}|(manifests|ledger|chains|jobs)\/[0-9a-f]{32}\/.*|removed\/[0-9A-Z]{26})$/,
      );
  });

  it('gives no wrong data and notices when a bit of any object flips', async () => {
    const { storage, memory } = await prepared();
    expect(await examine(storage, memory)).toBe(false);
    const random = randomSource(5);
    for (const [name, whole] of [...storage.objects]) {
      for (let i = 0; i < 2; i++) {
        const bytes = Buffer.from(whole);
        const at = Math.floor(random() * bytes.length);
        bytes[at]! ^= 1 << Math.floor(random() * 8);
        storage.objects.set(name, bytes);
        const noticed = await examine(storage, memory);
        // Of a pack, records that nobody needs may be hit; blanks of JSON mean nothing.
        if (!/^packs|^removed|\.json$|^keys|^spare|^jobs/.test(name))
          expect(`${name} ${at} ${noticed}`).toBe(`${name} ${at} true`);
      }
      storage.objects.set(name, whole);
    }
  });

  it('notices objects that are gone, cut, swapped, moved, or from another repository with the same passphrase', async () => {
    const { storage, memory } = await prepared();
    const other = await prepared(100);
    const kind = (name: string) => name.split('/')[0]!;
    const objects = [...storage.objects];
    const set = async (changes: [string, Buffer | null][], expected: boolean | null): Promise<void> => {
      const copy = new MemoryStorage(new Map(storage.objects));
      for (const [name, bytes] of changes)
        if (bytes === null) copy.objects.delete(name);
        else copy.objects.set(name, bytes);
      const noticed = await examine(copy, memory);
      if (expected !== null)
        expect(`${changes.map(([name]) => name)} ${noticed}`).toBe(`${changes.map(([name]) => name)} ${expected}`);
    };
    for (const [name, bytes] of objects) {
      const needed = /^(manifests|chains|packs|keys|hvbackup)/.test(name);
      // An index that is gone is read from its packs.
      await set([[name, null]], needed ? true : null);
      await set([[name, bytes.subarray(0, bytes.length - 5)]], needed || kind(name) === 'indexes' ? true : null);
      const twin = objects.find(([one]) => kind(one) === kind(name) && one !== name);
      if (twin)
        await set(
          [
            [name, twin[1]],
            [twin[0], bytes],
          ],
          kind(name) === 'removed' ? null : true,
        );
      const foreign = [...other.storage.objects].find(([one]) => kind(one) === kind(name))!;
      await set([[name, foreign[1]]], needed || kind(name) === 'indexes' ? true : null);
      // Beside ours, under its own name.
      if (kind(name) === 'manifests') await set([[foreign[0], foreign[1]]], true);
    }
  });

  it('refuses what is not encrypted, however sound', async () => {
    const { storage, repository } = await prepared();
    const { renderDocument } = await import('../../../../backend/src/repository/format/document.ts');
    const name = [...storage.objects.keys()].find((one) => one.startsWith('manifests/'))!;
    const manifest = await repository.core.documents.get(name);
    storage.objects.set(name, renderDocument(manifest, name, repository.id, null));
    const damages: Damage[] = [];
    const again = await openMemory(storage, undefined, { passphrase: PASSPHRASE });
    opened.push(again);
    await again.listManifests(undefined, { onDamage: (damage) => damages.push(damage) });
    expect(damages).toMatchObject([{ path: name, message: expect.stringContaining('not encrypted') }]);
  });

  it('keeps its configuration: another one, even with a right check, does not open', async () => {
    const { storage, memory } = await prepared();
    const other = await prepared(50);
    const { check, ...fields } = JSON.parse(other.storage.objects.get('hvbackup-repository.json')!.toString());
    const mine = JSON.parse(storage.objects.get('hvbackup-repository.json')!.toString());
    for (const changed of [{ ...fields }, { ...fields, id: mine.id }, { ...fields, ...mine, createdAt: 'x' }]) {
      delete changed.check;
      storage.objects.set(
        'hvbackup-repository.json',
        Buffer.from(JSON.stringify({ ...changed, check: checkOf(changed) })),
      );
      expect(await examine(storage, memory)).toBe(true);
    }
  });
});
