/** Delta records that lie: never wrong bytes, never a hang, and the next backup does not build on them. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { draftRoom, encodeRecord, type RecordDraft } from '../../../../backend/src/repository/engine/codec.ts';
import { writePageList } from '../../../../backend/src/repository/engine/page-list.ts';
import { blockId } from '../../../../backend/src/repository/format/block-scheme.ts';
import { PackClass, RECORD_HEADER_LENGTH, RecordKind } from '../../../../backend/src/repository/format/constants.ts';
import { randomId } from '../../../../backend/src/repository/format/ids.ts';
import type { ContentRef } from '../../../../backend/src/repository/port/contents.ts';
import type { Damage } from '../../../../backend/src/repository/port/damage.ts';
import { PackSink } from '../../../../backend/src/repository/records/pack-sink.ts';
import type { StoredRepository } from '../../../../backend/src/repository/repository.ts';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { closedAfterEach } from '../support/closing.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { BLOCK, backup, createMemoryRepository, GROUP, openMemory, readAll, sampleBytes } from '../support/model.ts';

const PAGE = 16384;
const open = closedAfterEach<StoredRepository>();

type Draft = Pick<RecordDraft, 'rawLength' | 'plain'> & { id: Buffer; base: Buffer; list: Buffer };

/** Puts delta records into a pack of their own, indexed, as if a writer had. */
async function plant(repository: StoredRepository, drafts: readonly Draft[]): Promise<void> {
  const { core } = repository;
  const sink = new PackSink(core.storage, core.packOwner(randomId()), {
    packStored: () => undefined,
    indexStored: () => undefined,
    beforePublish: async () => undefined,
  });
  for (const draft of drafts) {
    const room = draftRoom(draft);
    const { pack, sequence } = await sink.reserve(PackClass.blocks, 1, room);
    const out = Buffer.alloc(room);
    const whole = { ...draft, kind: RecordKind.delta, sequence, setting: 'default' } as const;
    const { encoding, storedLength } = encodeRecord(out, 0, whole, { scheme: core.scheme, cipher: pack.cipher });
    const { id, base, rawLength } = draft;
    const entry = { id, base, rawLength, kind: RecordKind.delta, encoding, storedLength, at: 0 };
    await pack.append(out.subarray(0, RECORD_HEADER_LENGTH + storedLength), [entry], room);
  }
  await sink.flush();
}

/** A block of four pages, and an honest delta that changes the second. */
function honest(repository: StoredRepository, base: Buffer): { draft: Draft; content: Buffer } {
  const content = Buffer.from(base);
  randomBytes(PAGE).copy(content, PAGE);
  const list = Buffer.alloc(4 * 32);
  writePageList(list, content, 0, content.length, PAGE);
  const plain = Buffer.concat([Buffer.from([0b0010]), content.subarray(PAGE, 2 * PAGE)]);
  const draft = {
    id: blockId(repository.core.scheme, list),
    base: idOf(repository, base),
    list,
    plain,
    rawLength: BLOCK,
  };
  return { draft, content };
}

function idOf(repository: StoredRepository, block: Buffer): Buffer {
  const list = Buffer.alloc(4 * 32);
  writePageList(list, block, 0, block.length, PAGE);
  return blockId(repository.core.scheme, list);
}

async function publish(repository: StoredRepository, root: Buffer): Promise<ContentRef> {
  const ref = { size: BLOCK, height: 0, root: root.toString('hex') };
  const createdAt = new Date().toISOString();
  await repository.core.manifests.publish({ id: ulid(), group: GROUP, createdAt, contents: [ref], body: null });
  return ref;
}

/** Everything a reader may do ends in an error; verify names it; and a backup of the content stores it whole. */
async function expectRefused(
  storage: MemoryStorage,
  ref: ContentRef,
  content: Buffer,
  passphrase?: string,
): Promise<void> {
  const repository = await openMemory(
    storage,
    undefined,
    passphrase === undefined ? {} : { passphrase, kdfCost: CHEAP },
  );
  open.push(repository);
  await expect(readAll(repository, ref)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  const reader = await repository.openContent(ref);
  await expect(reader.read(100, Buffer.alloc(10))).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  const damages: Damage[] = [];
  await repository.verify([ref], { onDamage: (damage) => damages.push(damage) });
  expect(damages.map(({ id }) => id)).toContain(ref.root);
  // A small change: what is there is not built on.
  const changed = Buffer.from(content);
  changed[3 * PAGE + 5]! ^= 0xff;
  const session = await repository.beginSession();
  const writer = await session.openContent(BLOCK, ref);
  await writer.patch([{ index: 0, ranges: [{ offset: 3 * PAGE + 5, length: 1 }] }], async (offset, target) => {
    changed.copy(target, 0, offset, offset + target.length);
  });
  const { ref: next } = await writer.finish();
  const createdAt = new Date().toISOString();
  await session.publish({ id: ulid(), group: GROUP, createdAt, contents: [next], body: null });
  await session.close();
  expect(next.root).toBe(idOf(repository, changed).toString('hex'));
  expect((await readAll(repository, next)).equals(changed)).toBe(true);
  // And the content itself heals.
  const again = await backup(repository, content);
  expect(again.ref.root).toBe(ref.root);
  expect((await readAll(repository, ref)).equals(content)).toBe(true);
}

const CHEAP = { n: 1024, r: 8, p: 1 };
const LIES: [string, (draft: Draft, base: Buffer) => Draft][] = [
  ['leaves a changed page out of the bitmap', (draft) => ({ ...draft, plain: Buffer.from([0]) })],
  ['has a page that is not in its list', (draft) => ({ ...draft, plain: flip(draft.plain, 1000) })],
  ['has a list that is not what its id says', (draft) => ({ ...draft, list: flip(draft.list, 40) })],
  [
    'names pages beyond its end',
    (draft) => ({ ...draft, plain: Buffer.concat([Buffer.from([0x82]), draft.plain.subarray(1)]) }),
  ],
  ['holds too little', (draft) => ({ ...draft, plain: draft.plain.subarray(0, -1) })],
  ['holds too much', (draft) => ({ ...draft, plain: Buffer.concat([draft.plain, Buffer.alloc(10, 1)]) })],
  ['holds nothing', (draft) => ({ ...draft, plain: Buffer.alloc(0) })],
  ['claims fewer pages', (draft) => ({ ...draft, rawLength: 2 * PAGE })],
  ['claims more than a block', (draft) => ({ ...draft, rawLength: 2 * BLOCK })],
  ['is over itself', (draft) => ({ ...draft, base: draft.id })],
  ['is over nothing', (draft) => ({ ...draft, base: Buffer.alloc(32, 1) })],
];

describe.each(['plain', 'encrypted'])('a delta in a repository that is %s', (how) => {
  const passphrase = how === 'encrypted' ? 'geheim' : undefined;
  const secret = passphrase === undefined ? {} : { passphrase, kdfCost: CHEAP };
  const fixture = async () => {
    const storage = new MemoryStorage();
    const repository = await createMemoryRepository(storage, { version: 2, ...secret });
    open.push(repository);
    const base = sampleBytes(BLOCK, 1);
    await backup(repository, base);
    return { storage, repository, base };
  };

  it('made by hand, is read', async () => {
    const { repository, base } = await fixture();
    const { draft, content } = honest(repository, base);
    await plant(repository, [draft]);
    const ref = await publish(repository, draft.id);
    await repository.core.refresh();
    expect((await readAll(repository, ref)).equals(content)).toBe(true);
  });

  it.each(LIES)('that %s is refused', async (_, lie) => {
    const { storage, repository, base } = await fixture();
    const { draft, content } = honest(repository, base);
    await plant(repository, [lie(draft, base)]);
    await expectRefused(storage, await publish(repository, draft.id), content, passphrase);
  });

  it('whose base is a delta over it is refused', async () => {
    const { storage, repository, base } = await fixture();
    const one = honest(repository, base);
    const two = honest(repository, base);
    await plant(repository, [
      { ...one.draft, base: two.draft.id },
      { ...two.draft, base: one.draft.id },
    ]);
    await expectRefused(storage, await publish(repository, one.draft.id), one.content, passphrase);
  });
});

describe('a damaged whole record that a delta stands in for', () => {
  it('makes the run that finds it name what is a delta over it', async () => {
    const storage = new MemoryStorage();
    const repository = await createMemoryRepository(storage, { version: 2 });
    open.push(repository);
    const base = sampleBytes(BLOCK, 1);
    const { ref: first } = await backup(repository, base);
    const middle = honest(repository, base);
    const { ref: second } = await backup(repository, middle.content);
    const last = honest(repository, middle.content);
    await plant(repository, [middle.draft, last.draft]);
    const third = await publish(repository, last.draft.id);
    await repository.core.refresh();
    const [whole] = repository.core.index.findWhole(middle.draft.id);
    const pack = storage.objects.get(`packs/${whole!.packId.slice(0, 2)}/${whole!.packId}`)!;
    pack[whole!.offset + RECORD_HEADER_LENGTH + 4 * 32 + 200]! ^= 1;

    const found = async () => {
      const fresh = await openMemory(storage);
      open.push(fresh);
      const damages: (string | undefined)[] = [];
      const lost = new Set<number>();
      const onLoss = (content: number) => void lost.add(content);
      await fresh.verify([first, second, third], { onDamage: ({ id }) => damages.push(id), onLoss });
      return { damages, lost: [...lost] };
    };
    const expected = { damages: [last.draft.id.toString('hex')], lost: [2] };
    expect(await found()).toEqual(expected);
    expect(await found()).toEqual(expected);
    const fresh = await openMemory(storage);
    open.push(fresh);
    expect((await readAll(fresh, second)).equals(middle.content)).toBe(true);
    await expect(readAll(fresh, third)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  });
});

describe('a repository of version 1', () => {
  it('has no deltas', async () => {
    const storage = new MemoryStorage();
    const repository = await createMemoryRepository(storage, { version: 1 });
    open.push(repository);
    const base = sampleBytes(BLOCK, 1);
    const { ref } = await backup(repository, base);
    const id = Buffer.alloc(32, 5);
    await plant(repository, [
      {
        id,
        base: Buffer.from(ref.root!, 'hex'),
        list: Buffer.alloc(0),
        plain: Buffer.from([0, 1, 2]),
        rawLength: BLOCK,
      },
    ]);
    const planted = await publish(repository, id);
    await repository.core.refresh();
    await expect(readAll(repository, planted)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
  });
});

function flip(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1;
  return copy;
}
