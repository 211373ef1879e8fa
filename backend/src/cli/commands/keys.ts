/** `hvbackup repository key …` and `accept-removed`: passphrases, and restore points that are missing. */
import { resolve } from 'node:path';
import { readPassphraseFile } from '../../support/passphrase.ts';
import { command } from '../command.ts';
import { optional, passphraseOption, repositoryOption, required, text } from '../options.ts';
import { table } from '../table.ts';
import { counted, formatTime } from '../units.ts';

const common = { repository: repositoryOption, 'passphrase-file': passphraseOption };

export const keyList = command({
  words: 'repository key list',
  summary: 'List the keys of an encrypted repository: one for each passphrase.',
  options: common,
  examples: ['repository key list --repository D:\\Backups --passphrase-file D:\\Secrets\\backup.txt'],
  run: async (values, context) => {
    const { keys } = await context.call('key/list', { repository: context.location(values.repository) });
    const rows = table(keys, [
      { title: 'ID', value: (key) => key.id },
      { title: 'CREATED', value: (key) => (key.createdAt === null ? '' : formatTime(key.createdAt)) },
      { title: 'USED NOW', value: (key) => (key.current ? 'yes' : '') },
      { title: 'LABEL', value: (key) => key.problem ?? key.label },
    ]);
    return { json: { keys }, lines: rows };
  },
});

export const keyAdd = command({
  words: 'repository key add',
  summary: 'Add a passphrase to an encrypted repository.',
  options: {
    ...common,
    'new-passphrase-file': required(
      'FILE',
      'File that holds the passphrase to add; one that opens the repository already is refused.',
      text,
    ),
    label: optional('TEXT', 'For people: who, where. Name of this machine when absent.', text),
  },
  examples: [
    'repository key add --repository D:\\Backups --passphrase-file old.txt --new-passphrase-file new.txt --label safe',
  ],
  run: async (values, context) => {
    const { key } = await context.call('key/add', {
      repository: context.location(values.repository),
      newPassphrase: await readPassphraseFile(resolve(values['new-passphrase-file'])),
      label: values.label,
    });
    return { json: { key }, lines: [`Added the key ${key.id} (${key.label})`] };
  },
});

export const keyRemove = command({
  words: 'repository key remove',
  summary: 'Remove a passphrase from an encrypted repository; never the one that is given.',
  options: { ...common, key: required('ID', 'The key: its id, or the beginning of it.', text) },
  examples: ['repository key remove --repository D:\\Backups --passphrase-file new.txt --key 3f9a'],
  run: async (values, context) => {
    const repository = context.location(values.repository);
    const { id } = await context.call('key/remove', { repository, key: values.key });
    return {
      json: { id },
      lines: [
        `Removed the key ${id}`,
        'Anyone with its passphrase and an old copy of the repository can still read that copy, and what is added with the same keys.',
      ],
    };
  },
});

export const acceptRemoved = command({
  words: 'repository accept-removed',
  summary: 'Stop warning of restore points that are missing, or reappeared, without a valid removal.',
  options: common,
  examples: ['repository accept-removed --repository D:\\Backups'],
  run: async (values, context) => {
    const repository = context.location(values.repository);
    const { points } = await context.call('repository/acceptRemoved', { repository });
    const rows = table(points, [
      { title: 'ID', value: (point) => point.id },
      { title: 'CREATED', value: (point) => formatTime(point.createdAt) },
      { title: 'VM', value: (point) => point.vmName },
      { title: 'STATE', value: (point) => point.state },
    ]);
    return {
      json: { points },
      lines: [
        points.length === 0 ? 'There is nothing to accept.' : `Accepted ${counted(points.length, 'restore point')}:`,
        ...(points.length === 0 ? [] : rows),
      ],
    };
  },
});
