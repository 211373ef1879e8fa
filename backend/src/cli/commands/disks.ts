/** `hvbackup disk …`: looking at a disk image. */
import { EXIT_CODE } from '../../support/error-codes.ts';
import { hex } from '../../support/errors.ts';
import { command } from '../command.ts';
import { parentOption } from '../options.ts';
import { properties } from '../table.ts';
import { formatBytes } from '../units.ts';

export const diskInfo = command({
  words: 'disk info',
  summary: 'Describe a disk image.',
  positionals: ['FILE'],
  options: {},
  examples: ['disk info system.vhdx', 'disk info system.vhdx --json'],
  run: async (_values, context, [file]) => {
    const result = await context.call('disk/info', { file: context.absolute(file!) });
    return {
      json: result,
      lines: [
        ...properties([
          ['File', result.file],
          ['Format', `${result.format}, ${result.type}`],
          ['Virtual size', `${formatBytes(result.size)} (${result.size} bytes)`],
          ['File size', formatBytes(result.fileSize)],
          ['Allocated', result.allocatedBytes === undefined ? undefined : formatBytes(result.allocatedBytes)],
          ['Sectors', `${result.logicalSectorSize} logical, ${result.physicalSectorSize} physical`],
          ['Block size', result.blockSize === undefined ? undefined : formatBytes(result.blockSize)],
          ['Id', result.id],
          ['Creator', result.creator],
          ['Log', result.logState],
          ['Parent', result.parents?.join(', ')],
        ]),
        ...(result.notes ?? []),
      ],
    };
  },
});

export const diskCheck = command({
  words: 'disk check',
  summary: 'Check the structure of a disk image, and that its parents are there and unchanged.',
  positionals: ['FILE'],
  options: { parent: parentOption },
  examples: ['disk check system.vhdx', 'disk check child.avhdx --parent D:\\Images\\base.vhdx'],
  run: async (values, context, [file]) => {
    const parents = values.parent.length > 0 ? values.parent.map(context.absolute) : undefined;
    const result = await context.call('disk/check', { file: context.absolute(file!), parents });
    const verdict = result.ok ? 'nothing is wrong' : `${result.problems.length} found wrong`;
    return {
      json: result,
      lines: [
        `${result.file} (${result.format}): ${verdict}`,
        ...(result.chain ?? []).map((parent) => `  over ${parent}`),
        ...result.problems.map(
          (problem) => `  ${problem.offset === undefined ? '' : `${hex(problem.offset)}: `}${problem.message}`,
        ),
      ],
      exitCode: result.ok ? 0 : EXIT_CODE.damage,
    };
  },
});
