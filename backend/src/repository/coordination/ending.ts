/** Sessions as people see them, and ended by hand: for one whose process is gone for good. */
import { HvError } from '../../support/errors.ts';
import { machineLabel } from '../../support/machine-label.ts';
import type { RepositoryCore } from '../core.ts';
import type { SessionInfo } from '../port/sessions.ts';
import type { SessionState } from '../sessions/session-registry.ts';
import { hideLate } from './fencing.ts';
import { pinnedPoints } from './reader-pins.ts';

/** Oldest first; those that ended properly are not among them. */
export async function describeSessions(core: RepositoryCore): Promise<SessionInfo[]> {
  // By two listings: a checkpoint is given up where no active session is listed.
  const states = await core.sessions.list({ twice: true });
  const found: SessionInfo[] = [];
  for (const state of states) {
    const { document, alive, expired, objects } = state;
    if (!alive && !expired && objects.some((name) => name.endsWith('/end'))) continue;
    const pins = (await pinnedPoints(core, [state])) ?? [];
    found.push({
      id: document.id,
      kind: document.kind,
      owner: document.owner,
      machine: document.machine === '' ? 'unknown' : machineLabel(document.machine),
      process: document.process.pid,
      local: isLocal(core, state),
      state: alive ? 'active' : expired ? 'expired' : 'dead',
      createdAt: document.createdAt === '' ? null : document.createdAt,
      expiresAt: document.expiresAt === '' ? null : document.expiresAt,
      points: pins.map(({ point }) => point),
    });
  }
  return found.sort((a, b) => ((a.createdAt ?? '') < (b.createdAt ?? '') ? -1 : 1));
}

/**
 * Fences it, hides what it announced and ends it: its process, should it live, gives up and publishes nothing.
 * @param id full id or a unique beginning
 * @throws SESSION_NOT_FOUND; SESSION_IN_USE when its process is at work on this machine
 */
export async function endSession(core: RepositoryCore, id: string): Promise<SessionInfo> {
  const sessions = await describeSessions(core);
  const [info, ...more] = sessions.filter((session) => session.id.startsWith(id.toLowerCase()));
  if (info === undefined || more.length > 0)
    throw new HvError(
      'SESSION_NOT_FOUND',
      `${info === undefined ? 'No session' : 'More than one session'} in ${core.storage.location} begins with ${id}`,
      { advice: 'Run "hvbackup repository sessions" to see them.', data: { id } },
    );
  const state = (await core.sessions.list()).find(({ document }) => document.id === info.id);
  if (state === undefined) return info;
  if (state.alive && info.local)
    throw new HvError(
      'SESSION_IN_USE',
      `The session ${info.id} (${info.kind}: ${info.owner}) belongs to process ${info.process}, which runs on this machine`,
      {
        advice: 'End that process first, or wait until it is done.',
        data: { sessionId: info.id, process: info.process },
      },
    );
  const points = await core.sessions.fence(state, true);
  if (points !== null) await hideLate(core, points, info.id);
  // Where no restore point was published yet only its session explains the packs it left: it goes with them, in prune.
  if (state.document.kind === 'backup') await core.sessions.end(state);
  else await core.sessions.forget(state);
  return info;
}

/** Of this machine, boot and process namespace: only of those is it known whether the process lives. */
const isLocal = (core: RepositoryCore, { document }: SessionState): boolean =>
  document.machine === core.environment.identity().machine;
