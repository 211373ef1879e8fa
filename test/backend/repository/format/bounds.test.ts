/** Somebody who can write to a repository must not be able to exhaust the memory or the time of who opens it. */
import { hash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { checkOf } from '../../../../backend/src/repository/format/config.ts';
import { parseDocument, renderDocument } from '../../../../backend/src/repository/format/document.ts';
import { initRepository } from '../../../../backend/src/repository/open.ts';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { CHEAP, createEncrypted, PASSPHRASE } from '../support/encrypted.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, GROUP, openMemory, readAll, sampleBytes } from '../support/model.ts';

const ID = '11111111-2222-3333-4444-555555555555';
const MIB = 1024 * 1024;
const opened: StoredRepository[] = [];
const keep = async (opening: Promise<StoredRepository>): Promise<StoredRepository> => {
  const repository = await opening;
  opened.push(repository);
  return repository;
};
afterEach(async () => {
  for (const repository of opened.splice(0)) await repository.close();
});

/** A document as anybody can make one for a repository without encryption. */
function forged(name: string, text: Buffer, repositoryId = ID, payload = zstdCompressSync(text)): Buffer {
  const head = Buffer.alloc(36);
  head.write('HVBKDOC1', 'latin1');
  head[8] = 1;
  head.writeUInt16LE(name.length, 10);
  head.writeUInt32LE(text.length, 12);
  head.writeUInt32LE(payload.length, 16);
  Buffer.from(repositoryId.replaceAll('-', ''), 'hex').copy(head, 20);
  const body = Buffer.concat([head, Buffer.from(name), payload]);
  return Buffer.concat([body, hash('sha256', body, 'buffer')]);
}

const json = (bytes: number): Buffer => Buffer.from(JSON.stringify('x'.repeat(bytes - 2)));
/** As many bytes of JSON that get smaller by about a half. */
const unindexed = (bytes: number): Buffer =>
  Buffer.from(
    JSON.stringify(
      sampleBytes(bytes, 1)
        .toString('hex')
        .slice(0, bytes - 2),
    ),
  );

describe('a document', () => {
  it('is refused when a few bytes become many, before they do', () => {
    const name = `manifests/${GROUP}/${ulid()}`;
    const hostile = forged(name, json(15 * MIB));
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 50; i++) expect(() => parseDocument(hostile, name, ID, null)).toThrow(/more than it may have/);
    expect(process.memoryUsage.rss() - before).toBeLessThan(400 * MIB);
    expect(parseDocument(forged(name, json(60_000)), name, ID, null)).toHaveLength(59_998);
  });

  it.each([
    [`holds/${ulid()}/1`, MIB],
    [`removed/${ulid()}`, MIB],
    [`chains/${GROUP}/00000001`, MIB],
    [`jobs/${GROUP}/1/1-started`, MIB],
    ['sessions/00112233445566778899aabbccddeeff/00000001', MIB],
    ['marks/00112233445566778899aabbccddeeff/waiting', MIB],
    [`manifests/${GROUP}/${ulid()}`, 16 * MIB],
  ])('of %s may have %i bytes of text', (name, limit) => {
    const parse = (bytes: number) => parseDocument(forged(name, unindexed(bytes)), name, ID, null);
    expect(parse(limit)).toHaveLength(limit - 2);
    expect(() => parse(limit + 1)).toThrow(/more than it may have/);
    expect(() => renderDocument('x'.repeat(limit), name, ID, null)).toThrow(
      expect.objectContaining({ code: 'FILE_TOO_LARGE' }),
    );
  });

  it('of ours is stored as it is where it would get too small', () => {
    const name = `manifests/${GROUP}/${ulid()}`;
    const value = 'y'.repeat(3 * MIB);
    expect(parseDocument(renderDocument(value, name, ID, null), name, ID, null)).toBe(value);
  });

  it('does not make a reader reserve a window of 128 MiB', () => {
    const name = `holds/${ulid()}/1`;
    // A frame of one block that is stored as it is: header, no length, a window of 2^27 bytes.
    const text = unindexed(1000);
    const block = Buffer.from([1 | ((text.length << 3) & 0xff), text.length >> 5, text.length >> 13]);
    const frame = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3]), block, text]);
    const wide = forged(name, text, ID, frame);
    expect(() => parseDocument(wide, name, ID, null)).toThrow(/does not decompress/);
  });
});

it('hundreds of hostile manifests are named, and cost little', async () => {
  const storage = new MemoryStorage();
  const repository = await keep(createMemoryRepository(storage));
  const { id } = await backup(repository, sampleBytes(2 * BLOCK, 1));
  const text = Buffer.concat([Buffer.from('['), Buffer.alloc(12 * MIB, '[],'), Buffer.from('0]')]);
  const payload = zstdCompressSync(text);
  for (let i = 0; i < 300; i++) {
    const name = `manifests/${GROUP}/${ulid()}`;
    storage.objects.set(name, forged(name, text, repository.id, payload));
  }
  const damages: Damage[] = [];
  const before = process.memoryUsage.rss();
  const points = await repository.listManifests(undefined, { onDamage: (damage) => damages.push(damage) });
  expect(points.map((point) => point.id)).toEqual([id]);
  expect(damages).toHaveLength(300);
  expect(process.memoryUsage.rss() - before).toBeLessThan(400 * MIB);
});

describe('key objects', () => {
  const withKey = (storage: MemoryStorage, number: number, cost: object) => {
    const [name] = [...storage.objects.keys()].filter((key) => key.startsWith('keys/')).sort();
    const { check, ...fields } = JSON.parse(storage.objects.get(name!)!.toString());
    fields.id = number.toString(16).padStart(32, '0');
    fields.kdf = { ...fields.kdf, ...cost, salt: '00'.repeat(32) };
    fields.proof = '00'.repeat(32);
    storage.objects.set(`keys/${fields.id}`, Buffer.from(JSON.stringify({ ...fields, check: checkOf(fields) })));
  };
  const openWith = (storage: MemoryStorage, passphrase: string) =>
    keep(openMemory(storage, undefined, { passphrase, kdfCost: CHEAP }));

  it('that cost a gigabyte are tried last, and only so many of them', async () => {
    const storage = new MemoryStorage();
    await keep(createEncrypted(storage));
    for (let i = 1; i <= 12; i++) withKey(storage, i, { n: 2 ** 20, r: 8, p: 1 });
    const begun = performance.now();
    await openWith(storage, PASSPHRASE);
    // Each takes seconds.
    expect(performance.now() - begun).toBeLessThan(3000);
  });

  it('are tried up to a number; the error names it, and no more are added', async () => {
    const storage = new MemoryStorage();
    const repository = await keep(createEncrypted(storage));
    for (let i = 1; i <= 64; i++) withKey(storage, i, { n: 2, r: 1, p: 1 });
    await expect(openWith(storage, 'wrong')).rejects.toMatchObject({
      code: 'WRONG_PASSPHRASE',
      message: expect.stringContaining('65 key objects'),
    });
    await expect(repository.addKey('another', 'test')).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('that are gone get advice that can be followed', async () => {
    const storage = new MemoryStorage();
    await keep(createEncrypted(storage));
    for (const name of [...storage.objects.keys()]) if (/(^|\/)keys\//.test(name)) storage.objects.delete(name);
    await expect(openWith(storage, PASSPHRASE)).rejects.toMatchObject({
      code: 'REPOSITORY_DAMAGED',
      advice: expect.stringMatching(/folder keys back from a copy/),
    });
  });

  it('are not made of white space', async () => {
    await expect(initRepository(new MemoryStorage(), { passphrase: ' \t ', kdfCost: CHEAP })).rejects.toMatchObject({
      code: 'USAGE',
    });
    const repository = await keep(createEncrypted(new MemoryStorage()));
    await expect(repository.addKey('\n', 'test')).rejects.toMatchObject({ code: 'USAGE' });
  });
});

it('a repository that only later versions may write to is read, and nothing in it is changed', async () => {
  const storage = new MemoryStorage();
  const first = await keep(createMemoryRepository(storage));
  const disk = sampleBytes(3 * BLOCK, 1);
  const { id, ref } = await backup(first, disk);
  const { check, ...fields } = JSON.parse(storage.objects.get('hvbackup-repository.json')!.toString());
  fields.minWriterVersion = 3;
  storage.objects.set('hvbackup-repository.json', Buffer.from(JSON.stringify({ ...fields, check: checkOf(fields) })));
  const before = [...storage.objects.keys()];
  const repository = await keep(openMemory(storage));
  expect((await repository.listManifests()).map((point) => point.id)).toEqual([id]);
  expect((await readAll(repository, ref)).equals(disk)).toBe(true);
  const pin = await repository.pin(await repository.listManifests(), { owner: 'test' });
  expect(pin.protects).toBe(false);
  await pin.end();
  const refused = { code: 'REPOSITORY_VERSION', advice: expect.stringMatching(/newer version/) };
  await expect(backup(repository, disk)).rejects.toMatchObject(refused);
  await expect(repository.removeManifest(id)).rejects.toMatchObject(refused);
  await expect(repository.prune()).rejects.toMatchObject(refused);
  await expect(repository.repair()).rejects.toMatchObject(refused);
  await expect(repository.records.put(`chains/${GROUP}/00000001`, {})).rejects.toMatchObject(refused);
  expect([...storage.objects.keys()]).toEqual(before);
});
