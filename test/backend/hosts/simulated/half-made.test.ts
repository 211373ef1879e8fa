/** A simulated host can be listed whatever lies half-made in it, and what the dead left goes. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, it } from 'vitest';
import { createSimulatedHost, openSimulatedHost } from '../../../../backend/src/hosts/simulated/index.ts';
import { noise } from '../../../fixtures/content.ts';
import { scratchForEach } from '../../support/scratch.ts';
import { MIB } from '../support.ts';

const PLAN = '0f6d7b4e-7a43-4a1c-8f0b-3a4f3d1c2b1a';

describe('a simulated host with something half-made', () => {
  const scratch = scratchForEach('half-made');
  let root: string;
  beforeEach(async () => {
    root = join(await scratch(), 'host');
    const host = await createSimulatedHost(root);
    await host.createVm({ name: 'whole', disks: [{ size: MIB }] });
    await host.close();
  });

  const planned = (...names: string[]) => join(root, 'Planned Virtual Machines', ...names);
  async function listed(): Promise<string[]> {
    const host = await openSimulatedHost(root);
    try {
      return (await host.listVms()).map(({ name }) => name);
    } finally {
      await host.close();
    }
  }

  const cases: [string, () => Promise<unknown>, boolean][] = [
    ['a folder of a plan without its lock', () => mkdir(planned(PLAN)), true],
    ['a plan with a disk', () => half(async () => undefined), true],
    ['a plan whose lock is cut', () => half(() => writeFile(planned(PLAN, 'plan.sqlite'), '')), true],
    [
      'a plan whose lock is no database',
      () => half(() => writeFile(planned(PLAN, 'plan.sqlite'), noise(8192, 1))),
      false,
    ],
    ['a plan whose lock is a folder', () => half(() => mkdir(planned(PLAN, 'plan.sqlite'))), false],
    ['a file in the place of a plan', () => writeFile(planned(PLAN), 'x'), true],
    ['a disk under its temporary name', () => writeFile(temporary(), noise(MIB, 2)), true],
  ];
  const temporary = () => join(root, 'Virtual Hard Disks', '.whole.vhdx.rct.0123456789ab.tmp');
  async function half(more: () => Promise<unknown>): Promise<void> {
    await mkdir(planned(PLAN));
    await writeFile(planned(PLAN, '.0.vhdx.0123456789ab.tmp'), noise(MIB, 3));
    await more();
  }

  it.each(cases)('%s', async (_name, make, goes) => {
    await make();
    expect(await listed()).toEqual(['whole']);
    if (goes) expect([await readdir(planned()), existsSync(temporary())]).toEqual([[], false]);
    // It can be changed as well.
    const host = await openSimulatedHost(root);
    await host.createVm({ name: 'another', disks: [{ size: MIB }] });
    await host.close();
    expect(await listed()).toEqual(['whole', 'another']);
  });

  it('or without the folder of plans', async () => {
    await rm(planned(), { recursive: true });
    expect(await listed()).toEqual(['whole']);
    const host = await openSimulatedHost(root);
    await host.createVm({ name: 'another', disks: [{ size: MIB }] });
    await host.close();
    expect(await readdir(planned())).toEqual([]);
  });

  it('or whose lock is damaged: it can be looked at, not changed', async () => {
    await writeFile(join(root, 'lock.sqlite'), noise(8192, 4));
    await half(async () => undefined);
    expect(await listed()).toEqual(['whole']);
    expect(await readdir(planned())).toEqual([PLAN]);
  });

  it('keeps what a living planner builds', async () => {
    await half(async () => undefined);
    const living = new DatabaseSync(planned(PLAN, 'plan.sqlite'));
    living.exec('BEGIN EXCLUSIVE');
    expect(await listed()).toEqual(['whole']);
    expect((await readdir(planned(PLAN))).length).toBeGreaterThan(0);
    living.close();
    expect(await listed()).toEqual(['whole']);
    expect(await readdir(planned())).toEqual([]);
  });
});
