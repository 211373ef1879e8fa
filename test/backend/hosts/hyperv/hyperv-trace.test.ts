/** Recording what a host says, and running it through the adapter again. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Helper } from '../../../../backend/src/hosts/hyperv/helper/helper.ts';
import { HyperVHost } from '../../../../backend/src/hosts/hyperv/index.ts';
import { makeScratch } from '../../support/scratch.ts';
import { parseTrace, ReplayHelper } from '../support/replay.ts';
import { openDouble, pwsh } from './hyperv-double.ts';
import { HyperVWorld, MIB } from './hyperv-world.ts';

describe.skipIf(!pwsh)('trace of a Hyper-V host (skipped without pwsh)', () => {
  it('replays what was recorded', async () => {
    const world = await HyperVWorld.create(await makeScratch('hyperv-trace'), [4 * MIB]);
    process.env.HVBACKUP_TRACE = join(world.folder, 'trace.jsonl');
    const host = openDouble(world.double);
    try {
      const seen = {
        vms: await host.listVms(),
        vm: await host.getVm('guest'),
        readiness: await host.readiness(world.vmId),
      };
      await expect(host.getVm('nobody')).rejects.toMatchObject({ code: 'VM_NOT_FOUND' });
      const trace = parseTrace(await readFile(process.env.HVBACKUP_TRACE, 'utf8'));
      expect(trace.map((exchange) => exchange.method)).toEqual(
        expect.arrayContaining(['open', 'listSystems', 'describe']),
      );
      const again = new HyperVHost(new ReplayHelper(trace) as unknown as Helper, undefined, 'hyperv:replayed');
      expect({
        vms: await again.listVms(),
        vm: await again.getVm('guest'),
        readiness: await again.readiness(world.vmId),
      }).toEqual(seen);
      await expect(again.listReferencePoints('aaaaaaaa-0000-4000-8000-000000000001')).rejects.toMatchObject({
        code: 'NOT_SUPPORTED',
      });
    } finally {
      delete process.env.HVBACKUP_TRACE;
      await host.close();
      await world.close();
    }
  });

  it('names the line that cannot be read', () => {
    expect(() => parseTrace('{"method":"open","params":{},"answer":{"ok":true}}\n\nnonsense')).toThrow(/Line 3/);
  });
});
