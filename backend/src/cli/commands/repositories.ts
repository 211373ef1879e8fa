/** `hvbackup repository create` and `stats`. */

import type { RepositoryInfo } from '../../schema/repository.ts';
import { quoted } from '../../support/shell-quote.ts';
import { command } from '../command.ts';
import { optional, passphraseOption, repositoryOption, size } from '../options.ts';
import { properties } from '../table.ts';
import { formatBytes, formatTime } from '../units.ts';

const PASSPHRASE_NOTICE = [
  'Keep the passphrase where neither a fire nor an attacker of this machine can reach it. Without it the backups cannot',
  'be read, and it cannot be recovered. "hvbackup repository key add" adds a second one.',
];

export const repositoryCreate = command({
  words: 'repository create',
  summary: 'Create a repository.',
  positionals: ['LOCATION'],
  options: {
    'passphrase-file': passphraseOption,
    'block-size': optional(
      'SIZE',
      'Size of blocks, a power of two from 64K to 4M; a measured default when absent.',
      size,
    ),
  },
  examples: [
    'repository create D:\\Backups',
    'repository create D:\\Backups --passphrase-file D:\\Secrets\\backup.txt',
    'repository create /srv/backups --block-size 256K',
  ],
  run: async (values, context, [location]) => {
    const result = await context.call('repository/create', {
      location: context.location(location!),
      blockSize: values['block-size'],
    });
    return {
      json: result,
      lines: [
        `Created the repository ${result.repository.location}`,
        ...infoLines(result.repository),
        ...(result.repository.encrypted ? PASSPHRASE_NOTICE : []),
        `Next: hvbackup backup --host HOST --repository ${quoted(result.repository.location)}`,
      ],
    };
  },
});

export const stats = command({
  words: 'stats',
  summary: 'Show what a repository holds.',
  options: { repository: repositoryOption, 'passphrase-file': passphraseOption },
  examples: ['stats --repository D:\\Backups'],
  run: async (values, context) => {
    const result = await context.call('repository/stats', { repository: context.location(values.repository) });
    return {
      json: result,
      lines: [
        ...infoLines(result),
        ...properties([
          ['VMs', result.vms],
          ['Points', `${result.points}, ${formatBytes(result.logicalBytes)} of disks`],
          [
            'Blocks',
            `${result.blocks} different, ${formatBytes(result.blockBytes)} in ${formatBytes(result.blockPackBytes)}`,
          ],
          ['Compression', result.compressionRatio === null ? undefined : `${result.compressionRatio.toFixed(2)} : 1`],
          ['Block maps', `${result.nodes} nodes in ${formatBytes(result.nodePackBytes)}`],
          ['Unindexed', result.unindexedPackBytes > 0 ? formatBytes(result.unindexedPackBytes) : undefined],
          ['Packs', `${result.packs}, ${formatBytes(result.packBytes)}`],
          ['Indexes', formatBytes(result.indexBytes)],
          ['Manifests', formatBytes(result.manifestBytes)],
        ]),
      ],
    };
  },
});

const infoLines = (info: RepositoryInfo): string[] =>
  properties([
    ['Location', info.location],
    ['Id', info.id],
    ['Created', formatTime(info.createdAt)],
    ['Block size', formatBytes(info.blockSize)],
    ['Format', info.formatVersion],
    ['Encrypted', info.encrypted ? 'yes' : 'no'],
  ]);
