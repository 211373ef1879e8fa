/** What a folder storage must keep when power fails at any moment (docs/format.md §1). */
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { FolderStorage } from '../../../../backend/src/repository/storage/folder/folder.ts';
import { below, seeded } from '../../../fuzz/random.ts';
import { faultyProcess, Killed, soundProcess } from '../../../torture/faults.ts';
import { errno, ModelDisk } from '../../../torture/model-disk.ts';
import { type Gate, ModelFiles } from '../../../torture/model-files.ts';

/** What a process was told about an object. */
interface Told {
  content: Buffer;
  state: 'putting' | 'put' | 'deleting' | 'deleted';
}

/** Folders of objects; those of the last ones go when they are empty. */
const FOLDERS = [
  'folder0/sub0',
  'folder1/sub1',
  'folder2/sub0',
  'folder2/sub1',
  'sessions/a',
  'jobs/vm/a',
  'jobs/vm/b',
];

/** Puts, streams and deletes in one process, until it dies. */
async function work(
  storage: FolderStorage,
  random: () => number,
  told: Map<string, Told>,
  { folders = FOLDERS, writer = '', objects = 14, deletes = 0.2 } = {},
): Promise<void> {
  for (let i = 0; i < objects; i++) {
    const name = `${folders[below(random, folders.length)]}/object${writer}${i}`;
    const object: Told = { content: Buffer.alloc(below(random, 3000), i + 1), state: 'putting' };
    told.set(name, object);
    if (random() < 0.5) expect(await storage.put(name, object.content)).toBe(true);
    else {
      const stream = await storage.createPut(name);
      const half = object.content.length >> 1;
      await Promise.all([
        stream.append([object.content.subarray(0, half)]),
        stream.append([object.content.subarray(half)]),
      ]);
      expect(await stream.commit()).toBe(true);
    }
    object.state = 'put';
    const [victim] = [...told].filter(([, one]) => one.state === 'put' && random() < deletes);
    if (victim === undefined) continue;
    victim[1].state = 'deleting';
    await storage.delete(victim[0]);
    victim[1].state = 'deleted';
  }
}

/** @param hardLinks whether the file system has them */
export function folderDurability(hardLinks: boolean): void {
  const connect = (disk: ModelDisk, random: () => number, gate: Gate): FolderStorage =>
    new FolderStorage(
      '/repository',
      new ModelFiles(disk, random, async (operation, filePath, file) => {
        if (operation === 'link' && !hardLinks) throw errno('ENOTSUP', 'link', filePath);
        return gate(operation, filePath, file);
      }),
    );

  it('keeps what was acknowledged and shows nothing half-made, wherever power fails', async () => {
    let cuts = 0;
    for (let at = 1; ; at++) {
      const random = seeded(at * 7919);
      const disk = new ModelDisk();
      const told = new Map<string, Told>();
      const process = faultyProcess('power cut', at, disk, random);
      await work(connect(disk, random, process.gate), random, told).catch(() => undefined);
      if (!process.dead) break;
      disk.powerCut(random);
      cuts += 1;
      const after = connect(disk, random, soundProcess().gate);
      const listed = new Set((await after.list('')).map(({ name }) => name));
      for (const [name, { content, state }] of told) {
        const where = `power failed at operation ${at}, ${name} (${state})`;
        if (state === 'put') expect(listed.has(name), where).toBe(true);
        if (state === 'deleted') expect(listed.has(name), where).toBe(false);
        if (listed.has(name)) expect((await after.get(name)).equals(content), where).toBe(true);
      }
      for (const name of listed) expect(told.has(name), name).toBe(true);
      // Whoever comes next has a name that he settled for good.
      for (const name of listed) await after.settle(name);
      disk.powerCut(random);
      expect((await after.list('')).map(({ name }) => name)).toEqual([...listed]);
    }
    expect(cuts).toBeGreaterThan(100);
  });

  it('keeps what was acknowledged while others remove and make the same folders, wherever power fails', async () => {
    let removals = 0;
    for (let run = 0; run < 1500; run++) {
      const random = seeded(run * 104_729 + 1);
      const disk = new ModelDisk();
      // The repository's own folder is its creation's business.
      await new ModelFiles(disk, random).createFolder('/repository');
      const machine = { left: 20 + below(random, 250) };
      const gate: Gate = async (operation) => {
        // Now and then one sleeps while others come far.
        for (let turns = below(random, random() < 0.1 ? 60 : 3); turns > 0; turns--) await setImmediate();
        machine.left -= 1;
        if (machine.left <= 0) throw new Killed();
        if (operation === 'removeFolder') removals += 1;
        return undefined;
      };
      const told = ['a', 'b', 'c'].map(() => new Map<string, Told>());
      const processes = told.map(async (mine, i) => {
        const storage = connect(disk, random, gate);
        await work(storage, random, mine, { folders: ['jobs/vm/a'], writer: 'abc'[i]!, objects: 4, deletes: 0.7 });
        if (random() < 0.5) await storage.housekeep();
      });
      const ends = await Promise.allSettled(processes);
      // Nothing but the end of the machine stops them.
      for (const end of ends) if (end.status === 'rejected' && machine.left > 0) throw end.reason;
      disk.powerCut(random);
      const after = connect(disk, random, soundProcess().gate);
      const listed = new Set((await after.list('')).map(({ name }) => name));
      for (const [name, { state }] of told.flatMap((mine) => [...mine])) {
        if (state === 'put') expect(listed.has(name), `run ${run}, ${name}`).toBe(true);
        if (state === 'deleted') expect(listed.has(name), `run ${run}, ${name}`).toBe(false);
      }
    }
    expect(removals).toBeGreaterThan(1000);
  });

  it('keeps an object that its writer died on, once another has settled it or been told that its name is taken', async () => {
    for (const way of ['settle', 'put'] as const) {
      for (let at = 1; at < 40; at++) {
        const random = seeded(at);
        const disk = new ModelDisk();
        await new ModelFiles(disk, random).createFolder('/repository');
        const dying = faultyProcess('kill', at, disk, random);
        await connect(disk, random, dying.gate)
          .put('a/b', Buffer.from('x'))
          .catch(() => undefined);
        // What it reserved is old by now.
        disk.now += 11 * 60_000;
        const other = connect(disk, random, soundProcess().gate);
        const seen = (await other.list('')).length === 1;
        if (way === 'settle') await other.settle('a/b');
        else expect(await other.put('a/b', Buffer.from('y'))).toBe(!seen);
        disk.powerCut(random);
        const expected = seen ? ['x'] : way === 'put' ? ['y'] : [];
        const found = await Promise.all((await other.list('')).map(async ({ name }) => String(await other.get(name))));
        expect(found, `${way}, died at ${at}`).toEqual(expected);
      }
    }
  });
}
