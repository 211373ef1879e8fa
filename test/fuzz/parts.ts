/** Mutations of payload: what is changed in the file is what changes in the disk, and nothing else. */
import { below, pick } from './random.ts';
import type { Scratch } from './scratch.ts';

/** An image of which it is known where its content lies. */
export interface WithPayload {
  file: Scratch;
  content: Scratch;
  payload: readonly { file: number; disk: number; length: number }[];
}

/** @returns what was done */
export function damageParts({ file, content, payload }: WithPayload, random: () => number): string {
  const span = pick(random, payload);
  const at = below(random, span.length);
  const length = Math.min(span.length - at, 1 + below(random, random() < 0.7 ? 64 : 70_000));
  const value = below(random, 256);
  for (const [target, start] of [
    [file, span.file + at],
    [content, span.disk + at],
  ] as const) {
    target.edit(start, length, (view) => {
      for (let index = 0; index < view.length; index++) view[index] = (value + index * 5) & 0xff;
    });
  }
  return `payload: ${length} bytes of the disk at ${span.disk + at}`;
}
