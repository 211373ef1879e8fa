/**
 * Real images to test against. They lie beside the project, not in it; tests that need them skip where they are not.
 */

import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
export const SAMPLES = process.env.HVBACKUP_SAMPLES ?? join(root, '..', 'shared', 'samples');
export const hasSamples = existsSync(join(SAMPLES, 'MANIFEST.tsv'));

export type Sample = Record<string, string> & { path: string; kind: string };

/** Rows of the samples' manifest, by column name; empty where there are no samples. */
export function sampleManifest(): Sample[] {
  if (!hasSamples) return [];
  const [header, ...rows] = readFileSync(join(SAMPLES, 'MANIFEST.tsv'), 'utf8').trimEnd().split('\n');
  const names = header!.split('\t');
  return rows.map((row) => Object.fromEntries(row.split('\t').map((cell, i) => [names[i]!, cell])) as Sample);
}

/** As long as the longest chunk that a pipe gives. */
const ZEROS = Buffer.alloc(1 << 20);

const UNPACK: Record<string, string[]> = { gz: ['gzip', '-dc'], xz: ['xz', '-dc'], bz2: ['bzip2', '-dc'] };

/** Unpacks a sample into `folder`, keeping zeros sparse. @returns the path of the image */
export async function unpackSample(sample: { path: string }, folder: string): Promise<string> {
  const packed = join(SAMPLES, sample.path);
  const extension = packed.slice(packed.lastIndexOf('.') + 1);
  const command = UNPACK[extension];
  const target = join(folder, basename(packed, command ? `.${extension}` : ''));
  if (!command) {
    await new Promise<void>((resolve, reject) =>
      createReadStream(packed).pipe(createWriteStream(target)).on('finish', resolve).on('error', reject),
    );
    return target;
  }
  const child = spawn(command[0]!, [...command.slice(1), packed], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command[0]} ${packed}: exit code ${code}`)),
    );
  });
  const file = await open(target, 'wx');
  let offset = 0;
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    if (!ZEROS.subarray(0, chunk.length).equals(chunk)) await file.write(chunk, 0, chunk.length, offset);
    offset += chunk.length;
  }
  await ended;
  await file.truncate(offset);
  await file.close();
  return target;
}
