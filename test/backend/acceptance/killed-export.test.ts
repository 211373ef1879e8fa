/** An export that is killed leaves a temporary file; the next one of the same image removes it, and nobody else's. */
import { readdirSync, statSync } from 'node:fs';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { noise } from '../../fixtures/content.ts';
import { ok, start } from '../support/cli.ts';
import { scratchForEach } from '../support/scratch.ts';
import { sha256File } from '../support/sparse.ts';
import { World } from './world.ts';

const MIB = 1 << 20;

describe('an export that is killed', () => {
  const scratch = scratchForEach('killed-export');

  it.each(['raw', 'vhdx'])('leaves a %s file that the next one removes', { timeout: 240_000 }, async (format) => {
    const world = await World.create(await scratch());
    world.vm('guest', await world.rawImage(noise(64 * MIB, 1)));
    const { restorePointId } = world.backup('guest');
    const to = join(world.folder, 'out');
    const args = [
      'export',
      '--repository',
      world.repository,
      '--point',
      restorePointId,
      '--to',
      to,
      '--format',
      format,
    ];
    const temporary = () => temporariesIn(to);

    const victim = start([...args, '--limit-rate', '4M'], world);
    while (victim.exitCode === null && sizeIn(to) < 8 * MIB) await delay(10);
    victim.kill('SIGKILL');
    expect((await victim.done).status).toBe(null);
    const [left, ...more] = temporary();
    expect(more).toEqual([]);
    expect(left).toMatch(
      new RegExp(`^\\.guest-disk0\\.${format}\\.[0-9a-f]{16}-${victim.pid}-\\d+-[0-9a-f]{12}\\.tmp$`),
    );

    // One of another machine, one of an older program, and one that a living process writes.
    const writer = /\.([0-9a-f]{16})-/.exec(left!)![1]!;
    const others = [left!.replace(writer, 'fedcba9876543210'), `.guest-disk0.${format}.0123456789ab.tmp`];
    for (const name of others) await writeFile(join(to, name), 'x');
    const aside = join(world.folder, left!);
    await rename(join(to, left!), aside);
    const living = start([...args, '--limit-rate', '4M'], world);
    while (living.exitCode === null && sizeIn(to) < 8 * MIB) await delay(10);
    await rename(aside, join(to, left!));
    const { files } = ok(args, world);
    expect(
      temporary()
        .filter((name) => !others.includes(name))
        .map((name) => name.includes(`-${living.pid}-`)),
    ).toEqual([true]);
    living.kill('SIGKILL');
    await living.done;
    if (format === 'raw') expect([await sha256File(files[0].path)]).toEqual(await world.hashes(restorePointId));
    await rm(files[0].path);
    ok(args, world);
    expect(temporary().sort()).toEqual(others.sort());
    expect((await readdir(to)).length).toBe(3);
  });
});

function temporariesIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.tmp'));
}

/** Bytes written in a folder. */
function sizeIn(folder: string): number {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    // It is still to be made.
  }
  return names.reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.blocks ?? 0) * 512,
    0,
  );
}
