/** Files that were left in the middle of a commit. The log is replayed in memory; the file stays as it is. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { objectEntry, renderObjectTable } from '../../../../backend/src/hosts/configuration/hvs/format/object-table.ts';
import { parseLogEntry } from '../../../../backend/src/hosts/configuration/hvs/format/replay-log.ts';
import { renderKeyTables } from '../../../../backend/src/hosts/configuration/hvs/render-keys.ts';
import { int, node, text } from '../../../../backend/src/hosts/configuration/hvs/values.ts';
import { type HvsItem, openHvs, renderHvs } from '../../../../backend/src/hosts/configuration/index.ts';
import { fixChecksum, repairChecksums } from '../../../fuzz/configuration-checksums.ts';
import { configurationSamples, withLog } from './support.ts';

const tree = async (file: Uint8Array): Promise<HvsItem[]> => (await openHvs(file)).tree();
const before = [node('configuration', text('name', 'before'), int('count', 1))];
const after = [node('configuration', text('name', 'after!'), int('count', 2))];

/** What differs between two files of one size, as a commit would log it: byte runs. */
function differences(from: Uint8Array, to: Uint8Array): { offset: number; data: Uint8Array }[] {
  const runs: { offset: number; data: Uint8Array }[] = [];
  for (let at = 0x2000; at < to.length; at++) {
    if (from[at] === to[at]) continue;
    let end = at;
    while (end < to.length && from[end] !== to[end]) end++;
    runs.push({ offset: at, data: to.slice(at, end) });
    at = end;
  }
  return runs;
}

describe('the replay log', () => {
  it('gives the file as the commit would have left it', async () => {
    const patches = differences(renderHvs(before), renderHvs(after));
    expect(patches.length).toBeGreaterThan(3);
    const dirty = withLog(renderHvs(before), patches);
    const copy = Buffer.from(dirty);
    const hvs = await openHvs(dirty);
    expect(hvs.replayedEntries).toBe(patches.length);
    expect(await hvs.tree()).toEqual(after);
    expect(dirty.equals(copy)).toBe(true);
  });

  it('writes in its order: the last entry wins', async () => {
    const last = differences(renderHvs(before), renderHvs(after));
    const first = last.map(({ offset, data }) => ({ offset, data: data.map((byte) => byte ^ 0xff) }));
    expect(await tree(withLog(renderHvs(before), [...first, ...last]))).toEqual(after);
  });

  it('can add tables behind the end of the file', async () => {
    const file = renderHvs(before);
    const [added] = renderKeyTables([int('added', 1)], () => null);
    added!.writeUInt16LE(2, 2);
    fixChecksum(added!.subarray(0, 10), 6);
    const behind = Math.ceil(file.length / 0x1000) * 0x1000 + 0x4000;
    const dirty = withLog(file, [
      { offset: behind, data: added! },
      { offset: 0x2008 + 18, data: renderObjectTable(2, [objectEntry(2, behind, 0x1000)]).subarray(8, 26) },
    ]);
    expect(dirty.length).toBeLessThan(behind);
    expect(await tree(dirty)).toEqual([...before, int('added', 1)]);
  });

  it('is not replayed when the file is clean, whatever lies in it', async () => {
    const dirty = withLog(renderHvs(before), differences(renderHvs(before), renderHvs(after)), (log) => {
      log.writeUInt32LE(0, 8);
    });
    repairChecksums(dirty);
    expect(await tree(dirty)).toEqual(before);
  });

  const patches = differences(renderHvs(before), renderHvs(after));
  it.each<[string, (log: Buffer) => void, boolean, string]>([
    ['a header with a wrong checksum', (log) => log.writeUInt8(log[4]! ^ 1, 4), false, "the log's header is not valid"],
    ['an entry with a wrong checksum', (log) => log.writeUInt8(log[40]! ^ 1, 40), false, 'log entry 0 is not valid'],
    ['data with a wrong checksum', (log) => log.writeUInt8(log[0x1000]! ^ 1, 0x1000), false, 'wrong checksum'],
    ['more entries than fit', (log) => log.writeUInt32LE(146, 8), true, 'room for 145'],
    ['a destination in the headers', (log) => log.writeBigUInt64LE(0x1fffn, 34), true, 'writes'],
    ['a destination in the log', (log) => log.writeBigUInt64LE(0x8000n, 34), true, 'writes'],
    ['a destination far behind the file', (log) => log.writeBigUInt64LE(1n << 40n, 34), true, 'writes'],
    ['an impossible destination', (log) => log.writeBigUInt64LE((1n << 64n) - 1n, 34), true, 'writes'],
    ['data in its own header', (log) => log.writeBigUInt64LE(0x10n, 46), true, 'outside the log'],
    ['data behind its end', (log) => log.writeBigUInt64LE(1n << 40n, 46), true, 'outside the log'],
    ['more data than it has', (log) => log.writeUInt32LE(0xffffffff, 42), true, 'more data than the log'],
  ])('with %s is damage', async (_, damage, repair, message) => {
    const dirty = withLog(renderHvs(before), patches, damage);
    if (repair) repairChecksums(dirty);
    await expect(openHvs(dirty, 'x.vmcx')).rejects.toMatchObject({ code: 'CONFIGURATION_CORRUPT' });
    await expect(openHvs(dirty, 'x.vmcx')).rejects.toThrow(message);
    await expect(openHvs(dirty, 'x.vmcx')).rejects.toThrow(/at 0x[0-9a-f]+: x\.vmcx$/);
  });
});

describe.skipIf(configurationSamples.length === 0)('logs that Hyper-V wrote (samples)', () => {
  it.each(configurationSamples.map((path) => [basename(path), path]))(
    '%s: its last commit is done again',
    async (_, path) => {
      const original = readFileSync(path);
      const dirty = Buffer.from(original);
      const log = Number(dirty.readBigUInt64LE(26));
      const entry = parseLogEntry(dirty.subarray(log + 34, log + 62))!;
      // As if the host had stopped before it applied the first entry.
      dirty.fill(0xee, entry.destination, entry.destination + entry.size);
      await expect(tree(dirty)).rejects.toMatchObject({ code: 'CONFIGURATION_CORRUPT' });
      dirty.writeUInt32LE(1, log + 8);
      fixChecksum(dirty.subarray(log, log + 34), 4);
      expect(await tree(dirty)).toEqual(await tree(original));
    },
  );
});
