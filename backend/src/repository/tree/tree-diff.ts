/** What differs between two contents of one size: only the parts of the trees that are not shared are read. */
import { HvError } from '../../support/errors.ts';
import { FAN_OUT } from '../format/constants.ts';
import { childId, type TreeNode } from '../format/node.ts';
import type { ContentRef } from '../port/contents.ts';
import { type LoadNode, requireRef } from './visit.ts';

/**
 * Block runs, ascending and coalesced, in which `to` differs from `from`; a block that only one of them has differs.
 * @throws USAGE when the sizes differ, REPOSITORY_DAMAGED
 */
export async function* differingBlocks(
  from: ContentRef,
  to: ContentRef,
  blockSize: number,
  load: LoadNode,
): AsyncGenerator<{ first: number; count: number }> {
  if (from.size !== to.size) {
    throw new HvError('USAGE', `Contents of ${from.size} and ${to.size} bytes cannot be compared.`);
  }
  const { blocks, root } = requireRef(to, blockSize);
  let run: { first: number; count: number } | null = null;
  for await (const block of differ(requireRef(from, blockSize).root, root, to.height, 0, load)) {
    if (block >= blocks) break; // beyond the end of the content: refused by the reader
    if (run !== null && block === run.first + run.count) run.count += 1;
    else {
      if (run !== null) yield run;
      run = { first: block, count: 1 };
    }
  }
  if (run !== null) yield run;
}

async function* differ(
  from: Buffer | null,
  to: Buffer | null,
  level: number,
  number: number,
  load: LoadNode,
): AsyncGenerator<number> {
  if (from === to || (from !== null && to !== null && from.equals(to))) return;
  if (level === 0) {
    yield number;
    return;
  }
  const a: TreeNode | null = from && (await load(from, level));
  const b: TreeNode | null = to && (await load(to, level));
  for (let slot = 0; slot < FAN_OUT; slot++) {
    yield* differ(a && childId(a, slot), b && childId(b, slot), level - 1, number * FAN_OUT + slot, load);
  }
}
