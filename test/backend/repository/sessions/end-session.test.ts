/** Who is at work in a repository, and ending a session by hand. */
import { describe, expect, it } from 'vitest';
import { ulid } from '../../../../backend/src/support/ulid.ts';
import { BLOCK, backup, GROUP, sampleBytes, storeDisk } from '../support/model.ts';
import { processesAtWork } from '../support/processes.ts';

const { fixture } = processesAtWork();

describe('sessions of a repository', () => {
  it('are listed with what they read, until they end', async () => {
    const { world, connect } = await fixture();
    const one = await connect({}, world.process('one'));
    const { id } = await backup(one, sampleBytes(3 * BLOCK, 1));
    const pin = await one.pin([await one.readManifest(id)], { owner: 'export of files' });
    const two = await connect({}, world.process('two'));
    const session = await two.beginSession({ owner: 'backup of mail' });
    const found = await two.sessions();
    expect(found).toMatchObject([
      { kind: 'read', owner: 'export of files', machine: 'one', local: false, state: 'active', points: [id] },
      { kind: 'backup', owner: 'backup of mail', machine: 'two', local: true, state: 'active', points: [] },
    ]);
    await pin.end();
    await session.close();
    expect(await two.sessions()).toEqual([]);
  });

  it('of another machine can be ended: its writer gives up, says why, and its space comes back', async () => {
    const { world, connect, names } = await fixture();
    const writer = await connect({}, world.process('writer'));
    const session = await writer.beginSession();
    const { ref } = await storeDisk(session, sampleBytes(20 * BLOCK, 1), BLOCK);
    const other = await connect({}, world.process('other'));
    const { id } = (await other.sessions())[0]!;
    expect(await other.endSession(id.slice(0, 6))).toMatchObject({ id, machine: 'writer', state: 'active' });
    expect(await other.sessions()).toEqual([]);
    const published = session.publish({ id: ulid(), group: GROUP, createdAt: '', contents: [ref], body: null });
    await expect(published).rejects.toMatchObject({ code: 'REPOSITORY_SESSION_EXPIRED' });
    await session.close();
    expect(await other.listManifests()).toEqual([]);
    await other.prune();
    expect(names('packs/')).toEqual([]);
    expect(names('sessions/')).toEqual([]);
  });

  it('of a first backup that died can be ended: its space comes back all the same', async () => {
    const { world, storage, connect, names } = await fixture();
    const process = world.process('writer');
    const session = await (await connect({}, process)).beginSession();
    await storeDisk(session, sampleBytes(20 * BLOCK, 1), BLOCK);
    await session.close();
    // Killed, right before it could do that.
    for (const name of names('sessions/')) if (name.endsWith('/end')) await storage.delete(name);
    world.kill(process);
    expect(names('packs/')).not.toEqual([]);
    const other = await connect({}, world.process('other'));
    const { id } = (await other.sessions())[0]!;
    await other.endSession(id);
    expect(await other.sessions()).toEqual([]);
    // Without its session nothing would explain its packs.
    await other.prune();
    expect(names('packs/')).toEqual([]);
    expect(names('sessions/')).toEqual([]);
  });

  it('of a process at work on this machine are not, and of a dead one are', async () => {
    const { world, connect, names } = await fixture();
    const process = world.process('here');
    const writer = await connect({}, process);
    await writer.beginSession();
    const other = await connect({}, world.process('here'));
    const { id } = (await other.sessions())[0]!;
    await expect(other.endSession(id)).rejects.toMatchObject({ code: 'SESSION_IN_USE' });
    world.kill(process);
    expect(await other.endSession(id)).toMatchObject({ state: 'dead' });
    expect(await other.sessions()).toEqual([]);
    await expect(other.endSession(id)).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
    await other.prune();
    expect(names('sessions/')).toEqual([]);
  });
});
