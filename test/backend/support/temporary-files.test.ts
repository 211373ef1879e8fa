/** Temporary files say who writes them: what the dead left goes, and nothing else. */
import { spawn, spawnSync } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFile, writeFileDurably } from '../../../backend/src/support/file.ts';
import { isTemporaryName, removeDeadTemporaries, temporaryName } from '../../../backend/src/support/temporary-files.ts';
import { scratchForEach } from './scratch.ts';

/** A number that no process has any more. */
const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;

describe('temporary files', () => {
  const scratch = scratchForEach('temporary');

  it('lie beside their target, within what a file system takes for a name', async () => {
    const folder = await scratch();
    for (const name of ['disk.vhdx', 'x'.repeat(255), '漢'.repeat(85), '🎉'.repeat(63), 'a.b.c']) {
      const temporary = temporaryName(join(folder, name));
      expect(dirname(temporary)).toBe(folder);
      expect(isTemporaryName(basename(temporary))).toBe(true);
      expect(Buffer.byteLength(basename(temporary))).toBeLessThanOrEqual(255);
      await (await openFile(temporary, 'create')).close();
      expect(temporaryName(join(folder, name))).not.toBe(temporary);
    }
    expect(isTemporaryName('.old.0123456789ab.tmp')).toBe(true);
    for (const name of ['disk.vhdx', 'a.tmp', '.a.tmp', '.a.0123456789ab', 'a.0123456789ab.tmp'])
      expect(isTemporaryName(name)).toBe(false);
  });

  it('go when their writer is dead for certain; all others stay', async () => {
    const folder = await scratch();
    const target = join(folder, 'disk.vhdx');
    const living = spawn('sleep', ['600']);
    try {
      const mine = basename(temporaryName(target));
      const [, machine, pid, start] = /^\.disk\.vhdx\.([0-9a-f]{16})-(\d+)-(\d+)-/.exec(mine)!;
      const of = (m: string, p: number | string, s: string, name = 'disk.vhdx') =>
        `.${name}.${m}-${p}-${s}-0123456789ab.tmp`;
      const dead = deadPid();
      const goes = [
        of(machine!, dead, '1'),
        of(machine!, dead, '0'),
        // The number is another process's by now.
        of(machine!, pid!, String(Number(start) - 1)),
        of(machine!, living.pid!, '1'),
      ];
      const stays = [
        mine,
        of(machine!, living.pid!, '0'),
        of('0123456789abcdef', dead, '1'),
        of(machine!, dead, '1', 'disk.vhd'),
        of(machine!, dead, '1', 'other-disk.vhdx'),
        of(machine!, dead, '1').slice(1),
        '.disk.vhdx.0123456789ab.tmp',
        `.disk.vhdx.${machine}-${dead}-1-0123456789ab.tmp.bak`,
      ];
      for (const name of [...goes, ...stays]) await writeFile(join(folder, name), 'x');
      await removeDeadTemporaries(target);
      expect((await readdir(folder)).sort()).toEqual(stays.sort());
    } finally {
      living.kill('SIGKILL');
    }
    await removeDeadTemporaries(join(folder, 'none', 'disk.vhdx'));
  });

  it('of long names too, and with everything that is written so', async () => {
    const folder = await scratch();
    for (const name of ['record.json', '漢'.repeat(80)]) {
      const target = join(folder, name);
      const left = temporaryName(target).replace(/-\d+-\d+-([0-9a-f]{12}\.tmp)$/, `-${deadPid()}-1-$1`);
      await writeFile(left, 'half');
      await writeFileDurably(target, 'whole');
      expect((await readdir(folder)).filter(isTemporaryName)).toEqual([]);
    }
    expect((await readdir(folder)).length).toBe(2);
  });
});
