/** The README's tour, as printed: every command of "Five minutes" in a shell, one after the other. */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createVhdxWriter } from '../../../backend/src/disk/index.ts';
import { noise } from '../../fixtures/content.ts';
import { BUNDLE, ok } from '../support/cli.ts';
import { scratchForSuite } from '../support/scratch.ts';

const MIB = 1024 * 1024;
const README = join(import.meta.dirname, '../../../README.md');

/** The indented command lines of a section. */
async function commandsOf(section: string): Promise<string[]> {
  const text = await readFile(README, 'utf8');
  const body = text.split(`\n## ${section}\n`)[1]!.split('\n## ')[0]!;
  return body
    .split('\n')
    .filter((line) => line.startsWith('    npx hvbackup '))
    .map((line) => line.trim());
}

describe.skipIf(process.platform === 'win32')('the tour of the README', async () => {
  const folder = await scratchForSuite('readme');
  const state = join(folder, 'state');

  it('runs as printed', async () => {
    const image = await createVhdxWriter(join(folder, 'server.vhdx'), { size: 64 * MIB });
    await image.write(0, noise(8 * MIB, 1));
    await image.finish();
    const commands = await commandsOf('Five minutes');
    expect(commands.length).toBeGreaterThan(12);
    for (const command of commands) {
      // The ids are the reader's own.
      const id = command.includes(' ID ')
        ? ok(['list', '--repository', join(folder, 'backups')], { state }).points.at(-1).id
        : '';
      const line = command.replace('npx hvbackup', `'${process.execPath}' '${BUNDLE}'`).replace(' ID ', ` ${id} `);
      const { status, stderr } = spawnSync('sh', ['-c', line], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, HVBACKUP_STATE_DIR: state },
      });
      expect([command, status, stderr.replace(/^Warning: .*\n/gm, '')]).toEqual([command, 0, '']);
    }
    for (const repository of ['backups', 'second-repository'])
      expect(ok(['list', '--repository', join(folder, repository)], { state }).points).toHaveLength(2);
  });
});
