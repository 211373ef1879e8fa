/**
 * One measurement inside a process of its own, printed as JSON: `open` (open, bring the index up to date, first
 * lookup), `lookup` (ids that are there and ids that are not), `verify` (the walk of all restore points, a sample of
 * the blocks).
 */
import { randomBytes } from 'node:crypto';
import { openRepository } from '../../backend/src/operations/open-repository.ts';
import { RecordKind } from '../../backend/src/repository/format/constants.ts';
import { parseIndex } from '../../backend/src/repository/format/index-format.ts';
import { indexName } from '../../backend/src/repository/format/names.ts';
import type { StoredRepository } from '../../backend/src/repository/repository.ts';

const [job, location, count] = process.argv.slice(2);
const clock = performance.now();
const seconds = (since: number): number => (performance.now() - since) / 1000;
const repository = (await openRepository(location!)) as StoredRepository;
const opened = seconds(clock);
const { core } = repository;
await core.refresh();
core.index.findAll(RecordKind.block, randomBytes(32));
const ready = seconds(clock);

if (job === 'open') console.log(JSON.stringify({ opened, ready }));
if (job === 'lookup') {
  const present = await sampleIds(Number(count));
  const absent = present.map(() => randomBytes(32));
  const rate = (ids: Buffer[]): { perSecond: number; found: number } => {
    const start = performance.now();
    let found = 0;
    for (const id of ids) if (core.index.findSound(RecordKind.block, id) !== undefined) found += 1;
    return { perSecond: Math.round(ids.length / seconds(start)), found };
  };
  console.log(JSON.stringify({ absent: rate(absent), present: rate(present), again: rate(present) }));
}
if (job === 'verify') {
  const start = performance.now();
  const contents = (await repository.listManifests()).flatMap((manifest) => manifest.contents);
  const { readBytes } = await repository.verify(contents, { samplePercent: 0 });
  console.log(JSON.stringify({ seconds: seconds(start), contents: contents.length, readBytes }));
}
await repository.close();

/** Ids of blocks, out of all indexes, in no order. */
async function sampleIds(wanted: number): Promise<Buffer[]> {
  const names = [...core.catalog.indexes().keys()];
  const ids: Buffer[] = [];
  const each = Math.ceil(wanted / Math.min(names.length, 200));
  for (let i = 0; i < names.length && ids.length < wanted; i += Math.ceil(names.length / 200)) {
    const name = indexName(names[i]!);
    const index = parseIndex(await core.storage.get(name), name, core.config.id, core.keys);
    const blocks = index.packs.flatMap((pack) => pack.records).filter(({ kind }) => kind === RecordKind.block);
    for (let k = 0; k < each && blocks.length > 0; k++)
      ids.push(Buffer.from(blocks[Math.floor(Math.random() * blocks.length)]!.id));
  }
  return ids.sort(() => Math.random() - 0.5);
}
