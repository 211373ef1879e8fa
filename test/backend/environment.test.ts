/**
 * docs/environment.md and the module's about topic name every variable that the code reads for people, and no other.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** What processes of ours hand to each other, and what is put in when the bundle is made. */
const OWN = ['HVBACKUP_CANCEL', 'HVBACKUP_HELPER', 'HVBACKUP_HELPER_MODULES', 'HVBACKUP_WORKER__'];
/** Of the command line, where signals come from. */
const COMMAND_LINE = ['HVBACKUP_CANCEL_SECONDS'];

function variablesBelow(...folders: string[]): string[] {
  const files = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|ps1|cs)$/.test(name))
      .map((name) => join(folder, name)),
  );
  const found = files.flatMap((file) => read(file).match(/HVBACKUP_[A-Z_]+/g) ?? []);
  return [...new Set(found)].filter((name) => !OWN.includes(name)).sort();
}

describe('environment variables', () => {
  const known = variablesBelow('backend/src', 'module');

  it('stand in the table, each once', () => {
    const rows = read('docs/environment.md').match(/^\| `HVBACKUP_[A-Z_]+` \|/gm) ?? [];
    expect(known.length).toBeGreaterThan(8);
    expect(rows.map((row) => row.slice(3, -3)).sort()).toEqual(known);
  });

  it("stand in the module's about topic", () => {
    const topic = read('en-US/about_HyperVBackup.help.txt').split(/^ENVIRONMENT$/m)[1]!;
    const named = [...new Set(topic.match(/^ {4}HVBACKUP_[A-Z_]+/gm)?.map((name) => name.trim()))].sort();
    expect(named).toEqual(known.filter((name) => !COMMAND_LINE.includes(name)));
  });
});
