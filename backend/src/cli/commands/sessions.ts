/** `hvbackup repository sessions` and `end-session`: who is at work in a repository. */
import { command } from '../command.ts';
import { passphraseOption, repositoryOption, required, text } from '../options.ts';
import { table } from '../table.ts';
import { formatTime } from '../units.ts';

const common = { repository: repositoryOption, 'passphrase-file': passphraseOption };
const timeOf = (time: string | null): string => (time === null ? '' : formatTime(time));

export const sessionList = command({
  words: 'repository sessions',
  summary: 'List the active sessions of a repository: backups, prunes, and readers of restore points.',
  options: common,
  examples: ['repository sessions --repository D:\\Backups'],
  run: async (values, context) => {
    const { sessions } = await context.call('session/list', { repository: context.location(values.repository) });
    const rows = table(sessions, [
      { title: 'ID', value: (session) => session.id },
      { title: 'KIND', value: (session) => session.kind },
      { title: 'STATE', value: (session) => session.state },
      { title: 'SINCE', value: (session) => timeOf(session.createdAt) },
      { title: 'UNTIL', value: (session) => timeOf(session.expiresAt) },
      { title: 'MACHINE', value: (session) => session.machine },
      { title: 'WHAT', value: (session) => session.owner },
    ]);
    return { json: { sessions }, lines: sessions.length === 0 ? ['No active sessions.'] : rows };
  },
});

export const sessionEnd = command({
  words: 'repository end-session',
  summary: 'End a session whose process is gone for good; a session active on this machine is refused.',
  options: { ...common, id: required('ID', 'The session: its id, or the beginning of it.', text) },
  examples: ['repository end-session --repository D:\\Backups --id 3f9a'],
  run: async (values, context) => {
    const repository = context.location(values.repository);
    const { session } = await context.call('session/end', { repository, session: values.id });
    return {
      json: { session },
      lines: [
        `Ended the session ${session.id} (${session.kind}: ${session.owner} on ${session.machine})`,
        ...(session.state === 'active'
          ? ['If its process still runs there, it stops; what it has not published is discarded.']
          : []),
      ],
    };
  },
});
