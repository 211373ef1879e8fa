/**
 * An encrypted repository opened without the product's code, as docs/format.md §7 has it: each object under a key of
 * its own salt, each record with its sequence as the nonce, bound to its repository, pack and header. So no key and
 * nonce come twice, whatever was done.
 */
import { createDecipheriv, hkdfSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { createEncrypted } from '../support/encrypted.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, GROUP, sampleBytes } from '../support/model.ts';
import { patchBackup } from '../support/patch-backup.ts';

const RECORD = 96;

/** Keeps all that was ever put: what was deleted had its nonces too. */
class Archive extends MemoryStorage {
  readonly ever: [name: string, bytes: Buffer][] = [];

  override async put(name: string, data: Uint8Array): Promise<boolean> {
    const done = await super.put(name, data);
    if (done) this.ever.push([name, Buffer.from(data)]);
    return done;
  }
}

let storage: Archive;
let repository: StoredRepository;
beforeEach(async () => {
  storage = new Archive();
  repository = await createEncrypted(storage);
});
afterEach(() => repository.close());

/** Fulls, deltas, a removal, and a prune that copies records into new packs. */
async function muchWork(): Promise<void> {
  const disk = sampleBytes(24 * BLOCK, 1);
  const { ref } = await backup(repository, disk);
  disk.fill(7, 3 * BLOCK, 3 * BLOCK + 100);
  await patchBackup(repository, disk, ref, [{ offset: 3 * BLOCK, length: 100 }]);
  const gone = await backup(repository, sampleBytes(24 * BLOCK, 2), { group: 'other-vm' });
  await backup(repository, sampleBytes(4 * BLOCK, 2), { group: 'other-vm' });
  await repository.records.put(`chains/${GROUP}/00000001`, { value: 1 });
  await repository.records.put(`chains/${GROUP}/00000002`, { value: 1 });
  await repository.removeManifest(gone.id);
  for (let i = 0; i < 2; i++) await repository.prune();
}

function open(salt: Uint8Array, purpose: string, nonce: Buffer, message: Buffer, authenticated: Uint8Array): Buffer {
  const { encryptionKey } = repository.core.keys!;
  const key = Buffer.from(hkdfSync('sha256', encryptionKey, salt, `hvbackup ${purpose}`, 32));
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(authenticated);
  decipher.setAuthTag(message.subarray(-16));
  return Buffer.concat([decipher.update(message.subarray(0, -16)), decipher.final()]);
}

/** Records of a pack, as they follow each other. */
function records(pack: Buffer): { header: Buffer; body: Buffer; sequence: number; id: string }[] {
  const found = [];
  const end = Number(pack.readBigUInt64LE(pack.length - 64 + 8));
  for (let at = RECORD; at < end; ) {
    const header = pack.subarray(at, at + RECORD);
    expect(header.toString('latin1', 0, 4)).toBe('HVBR');
    const body = pack.subarray(at + RECORD, at + RECORD + header.readUInt32LE(16));
    found.push({ header, body, sequence: header.readUInt32LE(8), id: header.toString('hex', 20, 52) });
    at += RECORD + body.length;
  }
  return found;
}

const packs = () => storage.ever.filter(([name]) => name.startsWith('packs/')).map(([, bytes]) => bytes);
const repositoryId = () => Buffer.from(repository.id.replaceAll('-', ''), 'hex');

describe('an encrypted repository after much work', () => {
  it('has a salt of its own in every object ever written', async () => {
    await muchWork();
    const salts: string[] = [];
    for (const [name, bytes] of storage.ever) {
      // The same message once more; of what was written under its name anew it would be another.
      if (name.startsWith('spare/')) {
        expect(storage.ever.some(([other, same]) => !other.startsWith('spare/') && same.equals(bytes))).toBe(true);
        continue;
      }
      const magic = bytes.toString('latin1', 0, 8);
      if (magic === 'HVBKPAK1') salts.push(bytes.toString('hex', 60, 92));
      else if (magic === 'HVBKDOC1') {
        const at = 36 + bytes.readUInt16LE(10);
        salts.push(bytes.toString('hex', at, at + 32));
      } else if (magic === 'HVBKIDX1') salts.push(bytes.toString('hex', 44, 76));
      else if (name.startsWith('keys/')) salts.push(JSON.parse(bytes.toString()).kdf.salt);
      else expect(name).toBe('hvbackup-repository.json');
    }
    expect(salts.length).toBeGreaterThan(15);
    expect(packs().length).toBeGreaterThan(4);
    expect(new Set(salts).size).toBe(salts.length);
    for (const salt of salts) expect(salt).toMatch(/^[0-9a-f]{64}$/);
  });

  it('opens each record with its sequence as the nonce, unique in its pack, bound to repository, pack and header', async () => {
    await muchWork();
    let opened = 0;
    for (const pack of packs()) {
      const all = records(pack);
      expect(new Set(all.map(({ sequence }) => sequence)).size).toBe(all.length);
      for (const { header, body, sequence } of all) {
        const nonce = Buffer.alloc(12);
        nonce.writeUInt32LE(sequence, 0);
        const bound = Buffer.concat([repositoryId(), pack.subarray(28, 44), header.subarray(0, 92)]);
        expect(() => open(pack.subarray(60, 92), 'pack', nonce, body, bound)).not.toThrow();
        opened += 1;
      }
    }
    expect(opened).toBeGreaterThan(50);
  });

  it('opens each document and index under its salt, bound to all that stands before it', async () => {
    await muchWork();
    const none = Buffer.alloc(12);
    let opened = 0;
    for (const [name, bytes] of storage.ever) {
      const purpose = { HVBKDOC1: 'document', HVBKIDX1: 'index' }[bytes.toString('latin1', 0, 8)];
      if (purpose === undefined) continue;
      const at = purpose === 'index' ? 44 : 36 + bytes.readUInt16LE(10);
      const message = bytes.subarray(at + 32, -32);
      expect(
        () => open(bytes.subarray(at, at + 32), purpose, none, message, bytes.subarray(0, at)),
        name,
      ).not.toThrow();
      opened += 1;
    }
    expect(opened).toBeGreaterThan(8);
  });

  it('never has the same bytes for the same content twice', async () => {
    await muchWork();
    const bodies = new Map<string, Set<string>>();
    let copies = 0;
    for (const { id, body } of packs().flatMap(records)) {
      const seen = bodies.get(id) ?? new Set();
      copies += seen.size;
      expect(seen.has(body.toString('hex', 0, 64))).toBe(false);
      bodies.set(id, seen.add(body.toString('hex', 0, 64)));
    }
    // Prune has copied some.
    expect(copies).toBeGreaterThan(0);
    const [one, other] = storage.ever.filter(([name]) => name.startsWith('chains/')).map(([, bytes]) => bytes);
    const payload = (bytes: Buffer) => bytes.subarray(36 + bytes.readUInt16LE(10) + 32, -32);
    expect(payload(one!).length).toBe(payload(other!).length);
    expect(payload(one!).equals(payload(other!))).toBe(false);
  });
});
