/** Every command: what it asks the backend for, and what it prints. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { HvError } from '../../../backend/src/support/errors.ts';
import { BACKUP, POINT, VM } from '../protocol/fake-operations.ts';
import { scratchForSuite } from '../support/scratch.ts';
import { recorder, run } from './run-fake.ts';

const repository = resolve('backups');
const GIB = 1024 ** 3;
const folder = await scratchForSuite('cli');

afterEach(() => vi.unstubAllEnvs());

describe('hosts and VMs', () => {
  it('host create', async () => {
    const createHost = recorder({ host: 'sim:/lab' });
    const { code, json } = await run(['host', 'create', 'lab', '--json'], { createHost });
    expect({ code, json }).toEqual({ code: 0, json: { host: 'sim:/lab' } });
    expect(createHost.calls).toEqual([{ directory: resolve('lab') }]);
  });

  it('host fault', async () => {
    const hostFault = recorder({ faults: [{ name: 'tracking-lost', vm: 'web01' }], known: ['tracking-lost'] });
    await run(['host', 'fault', '--host', 'sim:lab', '--set', 'tracking-lost', '--vm', 'web01', '--count', '2'], {
      hostFault,
    });
    await run(['host', 'fault', '--host', 'sim:lab', '--clear-all'], { hostFault });
    const { stdout } = await run(['host', 'fault', '--host', 'sim:lab'], { hostFault });
    expect(hostFault.calls).toEqual([
      { host: 'sim:lab', action: 'set', name: 'tracking-lost', vm: 'web01', count: 2 },
      { host: 'sim:lab', action: 'clear' },
      { host: 'sim:lab', action: 'list' },
    ]);
    expect(stdout).toContain('tracking-lost  web01');
  });

  it('vm create', async () => {
    const createVm = recorder({ vm: VM });
    const args = ['vm', 'create', '--host', 'sim:lab', '--name', 'web01', '--disk', 'a.vhdx', '--disk', 'b.raw'];
    const { json } = await run([...args, '--memory', '4G', '--cpu', '2', '--generation', '1', '--json'], { createVm });
    expect(json).toEqual({ vm: VM });
    expect(createVm.calls).toEqual([
      {
        host: 'sim:lab',
        name: 'web01',
        disks: [resolve('a.vhdx'), resolve('b.raw')],
        generation: 1,
        memory: 4 * GIB,
        processors: 2,
      },
    ]);
  });

  it('vm list and vm show', async () => {
    const summary = {
      id: VM.id,
      name: 'web01',
      state: 'Running' as const,
      generation: 2 as const,
      disks: 1,
      size: 127 * GIB,
    };
    const listVms = recorder({ vms: [summary] });
    expect((await run(['vm', 'list', '--host', 'sim:lab', '--json'], { listVms })).json).toEqual({ vms: [summary] });
    expect((await run(['vm', 'list', '--host', 'sim:lab'], { listVms })).stdout).toMatch(
      /web01\s+Running\s+2\s+1\s+127 GiB/,
    );
    const showVm = recorder({ vm: VM });
    const { stdout } = await run(['vm', 'show', '--host', 'sim:lab', '--vm', 'web01'], { showVm });
    expect(stdout).toMatch(/0\s+127 GiB\s+vhdx\s+512\/4096\s+SCSI 0:0\s+\/lab\/web01.vhdx/);
  });

  it.each([
    [['--offset', '1M', '--file', 'f'], { type: 'file', offset: 1024 ** 2, file: resolve('f') }],
    [['--offset', '0', '--fill', '0xff', '--length', '64K'], { type: 'fill', offset: 0, length: 65536, byte: 255 }],
    [['--random', '100', '--length', '4K', '--seed', '7'], { type: 'random', count: 100, length: 4096, seed: 7 }],
  ])('vm write %j', async (args, write) => {
    const writeVm = recorder({ vmId: VM.id, disk: 0, writes: 1, bytes: 1 });
    const { code } = await run(['vm', 'write', '--host', 'sim:lab', '--vm', 'web01', ...args], { writeVm });
    expect({ code, calls: writeVm.calls }).toEqual({
      code: 0,
      calls: [{ host: 'sim:lab', vm: 'web01', disk: 0, write }],
    });
  });

  it.each([
    [[]],
    [['--file', 'f']],
    [['--file', 'f', '--fill', '1', '--offset', '0']],
    [['--fill', '1', '--offset', '0']],
    [['--fill', '256', '--offset', '0', '--length', '1']],
    [['--random', '5']],
    [['--random', '5', '--length', '1K', '--offset', '0']],
    [['--file', 'f', '--offset', '0', '--seed', '1']],
  ])('vm write %j is a usage error', async (args) => {
    expect((await run(['vm', 'write', '--host', 'h', '--vm', 'v', ...args])).code).toBe(2);
  });

  it('start, stop, resize, add-disk, replace-disk, remove-disk, remove', async () => {
    const result = recorder({ vm: VM });
    const removeVm = recorder({ vmId: VM.id, name: 'web01' });
    const fakes = {
      setVmState: result,
      resizeDisk: result,
      addDisk: result,
      replaceDisk: result,
      removeDisk: result,
      removeVm,
    };
    const at = ['--host', 'sim:lab', '--vm', 'web01'];
    for (const args of [
      ['start'],
      ['stop'],
      ['stop', '--save'],
      ['resize', '--disk', '0', '--size', '9M'],
      ['add-disk', '--size', '1G'],
      ['replace-disk', '--disk', '1', '--file', 'x.vhdx'],
      ['remove-disk', '--disk', '1'],
      ['remove'],
    ]) {
      expect((await run(['vm', args[0]!, ...at, ...args.slice(1), '--json'], fakes)).code).toBe(0);
    }
    const vm = { host: 'sim:lab', vm: 'web01' };
    expect(result.calls).toEqual([
      { ...vm, state: 'Running' },
      { ...vm, state: 'Off' },
      { ...vm, state: 'Saved' },
      { ...vm, disk: 0, size: 9 * 1024 ** 2 },
      { ...vm, size: GIB },
      { ...vm, disk: 1, file: resolve('x.vhdx') },
      { ...vm, disk: 1 },
    ]);
    expect(removeVm.calls).toEqual([vm]);
    expect((await run(['vm', 'add-disk', ...at], fakes)).code).toBe(2);
  });
});

describe('repositories and restore points', () => {
  const info = {
    id: 'r1',
    location: repository,
    blockSize: 262144,
    formatVersion: 1,
    encrypted: false,
    createdAt: POINT.createdAt,
  };

  it('repository create', async () => {
    const createRepository = recorder({ repository: info });
    const args = ['repository', 'create', 'backups', '--block-size', '256K'];
    expect((await run([...args, '--json'], { createRepository })).json).toEqual({ repository: info });
    expect(createRepository.calls).toEqual([{ location: repository, blockSize: 262144 }]);
    expect((await run(['repository', 'create', 'backups', '--block-size', '100K'], { createRepository })).code).toBe(2);
  });

  it('the passphrase comes from the file that the option or the variable names, for the methods that know one', async () => {
    const file = join(folder, 'passphrase.txt');
    const other = join(folder, 'other.txt');
    writeFileSync(file, '\ufeffgeh heim\r\n');
    writeFileSync(other, 'other\n\n');
    const createRepository = recorder({ repository: { ...info, encrypted: true } });
    const made = await run(['repository', 'create', 'backups', '--passphrase-file', file], { createRepository });
    expect(made.stdout).toContain('Keep the passphrase');
    expect(made.stdout + made.stderr).not.toContain('heim');
    vi.stubEnv('HVBACKUP_PASSPHRASE_FILE', other);
    const listPoints = recorder({ points: [], warnings: [] });
    await run(['list', '--repository', 'backups'], { listPoints });
    await run(['list', '--repository', 'backups', '--passphrase-file', file], { listPoints });
    expect(createRepository.calls).toMatchObject([{ passphrase: 'geh heim' }]);
    expect(listPoints.calls).toMatchObject([{ passphrase: 'other\n' }, { passphrase: 'geh heim' }]);
    const listVms = recorder({ vms: [] });
    await run(['vm', 'list', '--host', 'sim:lab'], { listVms });
    expect(listVms.calls).toEqual([{ host: 'sim:lab' }]);
    for (const bytes of ['', '\n', Buffer.from([0xff, 0xfe, 0x61, 0]), Buffer.alloc(70_000, 0x61)]) {
      writeFileSync(file, bytes);
      const { json } = await run(['list', '--repository', 'b', '--passphrase-file', file, '--json'], { listPoints });
      expect(json.error.code).toBe('USAGE');
    }
    const missing = await run(['list', '--repository', 'b', '--passphrase-file', join(folder, 'none'), '--json']);
    expect(missing.json.error.code).toBe('FILE_NOT_FOUND');
  });

  it('repository key list, add, remove; accept-removed', async () => {
    const file = join(folder, 'new.txt');
    writeFileSync(file, 'new one\n');
    const key = { id: 'ab'.repeat(16), createdAt: POINT.createdAt, label: 'in the safe', current: false };
    const listKeys = recorder({ keys: [key, { ...key, createdAt: null, problem: 'it is damaged' }] });
    const listed = await run(['repository', 'key', 'list', '--repository', 'backups'], { listKeys });
    expect(listed.stdout).toContain('in the safe');
    expect(listed.stdout).toContain('it is damaged');
    const addKey = recorder({ key });
    const add = ['repository', 'key', 'add', '--repository', 'backups', '--label', 'in the safe'];
    expect((await run([...add, '--new-passphrase-file', file, '--json'], { addKey })).json).toEqual({ key });
    expect(addKey.calls).toEqual([{ repository, newPassphrase: 'new one', label: 'in the safe' }]);
    expect((await run(add, { addKey })).code).toBe(2);
    const removeKey = recorder({ id: key.id });
    await run(['repository', 'key', 'remove', '--repository', 'backups', '--key', 'abab'], { removeKey });
    expect(removeKey.calls).toEqual([{ repository, key: 'abab' }]);
    const point = { id: POINT.id, vmName: 'web01', createdAt: POINT.createdAt, state: 'gone' as const };
    const acceptRemoved = recorder({ points: [point] });
    const accepted = await run(['repository', 'accept-removed', '--repository', 'backups'], { acceptRemoved });
    expect(accepted.stdout).toContain(POINT.id);
    expect((await run(['repository', 'key', '--json'])).json.error.message).toContain('list, add, remove');
  });

  it('list joins all pages', async () => {
    const cursors: unknown[] = [];
    const listPoints = async ({ cursor }: { cursor?: string }) => {
      cursors.push(cursor);
      const page = Number(cursor ?? 0);
      const points = [{ ...POINT, id: `${POINT.id}${page}` }];
      return { points, nextCursor: page < 2 ? String(page + 1) : undefined, warnings: [] };
    };
    const { json } = await run(['list', '--repository', 'backups', '--vm', 'web01', '--json'], { listPoints });
    expect(cursors).toEqual([undefined, '1', '2']);
    expect(json.points.map((point: { id: string }) => point.id.at(-1))).toEqual(['0', '1', '2']);
    expect(Object.keys(json)).toEqual(['points']);
    const empty = await run(['list', '--repository', 'backups'], {
      listPoints: recorder({ points: [], warnings: [] }),
    });
    expect(empty.stdout).toBe('There are no restore points.\n');
  });

  it('show', async () => {
    const point = {
      ...POINT,
      host: 'sim:/lab',
      metadataBytes: 4096,
      disks: BACKUP.disks.map((disk) => ({ ...disk, path: '/lab/web01.vhdx', stored: true })),
      configuration: [{ name: `${VM.id}.vmcx`, kind: 'vmcx' as const, size: 1000 }],
      vm: VM,
      warnings: ['The guest was slow.'],
    };
    const showPoint = recorder({ point });
    expect((await run(['show', '--repository', 'backups', '--point', '01JD', '--json'], { showPoint })).json).toEqual({
      point,
    });
    const { stdout } = await run(['show', '--repository', 'backups', '--point', '01JD'], { showPoint });
    expect(stdout).toContain('The guest was slow.');
    expect(stdout).toContain('.vmcx');
  });

  it('remove, prune, stats', async () => {
    const removePoint = recorder({ pointId: POINT.id, blocked: [], freedBytes: 10 * GIB, pendingBytes: GIB });
    const removed = await run(['remove', '--repository', 'backups', '--point', '01JD'], { removePoint });
    expect(removed.stdout).toContain('freed 10 GiB');
    expect(removed.stdout).toContain('1 GiB more');
    const space = { freedBytes: 0, pendingBytes: 0, packsDeleted: 0, packsRewritten: 0, blocked: [] };
    const pruned = { points: [], removed: 0, ...space, dryRun: true, warnings: [] };
    const pruneRepository = recorder(pruned);
    expect((await run(['prune', '--repository', 'backups', '--dry-run', '--json'], { pruneRepository })).json).toEqual(
      pruned,
    );
    expect(pruneRepository.calls).toEqual([{ repository, dryRun: true, overrideDoubt: false }]);
    const counts = {
      points: 1,
      vms: 1,
      logicalBytes: GIB,
      packs: 1,
      packBytes: 2048,
      blockPackBytes: 2048,
      nodePackBytes: 0,
      unindexedPackBytes: 0,
      compressionRatio: 2,
      indexBytes: 1,
      manifestBytes: 1,
      blocks: 1,
      blockBytes: 4096,
      nodes: 1,
    };
    const repositoryStats = recorder({ ...info, ...counts });
    expect((await run(['stats', '--repository', 'backups', '--json'], { repositoryStats })).json.blockSize).toBe(
      262144,
    );
    expect((await run(['stats', '--repository', 'backups'], { repositoryStats })).stdout).toMatch(
      /Compression\s+2.00 : 1/,
    );
  });

  it('check and verify end with 4 when they find damage, and name it', async () => {
    const damage = {
      object: 'block',
      path: 'packs/ab/abcdef',
      offset: 8192,
      message: 'the hash is another one',
      affects: [{ pointId: POINT.id, vmName: 'web01', disk: 0, offset: 65536, length: 262144 }],
    };
    const loss = {
      pointId: POINT.id,
      vmId: VM.id,
      vmName: 'web01',
      createdAt: '2026-11-21T04:05:06.000Z',
      disk: 0,
      lostBytes: 262144,
      ranges: [{ offset: 65536, length: 262144 }],
      moreRanges: 2,
    };
    const found = { damages: [damage], moreDamages: 7, losses: [loss], moreLosses: 0 };
    const common = { ok: false, ...found, durationMs: 5 };
    const checkRepository = recorder({ ...common, objects: 3, foreign: [], moreForeign: 0 });
    const verifyRepository = recorder({ ...common, points: [POINT.id], verifiedBytes: 1, readBytes: 1 });
    const checked = await run(['check', '--repository', 'backups', '--json'], { checkRepository });
    expect([checked.code, checked.json.damages]).toEqual([4, [damage]]);
    const args = ['verify', '--repository', 'backups', '--point', '01JD', '--sample', '10%'];
    const verified = await run(args, { verifyRepository });
    expect(verified.code).toBe(4);
    expect(verified.stdout).toContain('packs/ab/abcdef at 0x2000: the hash is another one');
    expect(verified.stdout).toContain(`concerns web01, restore point ${POINT.id} disk 0 from 0x10000, 256 KiB`);
    expect(verified.stdout).toContain('8 damaged');
    expect(verified.stdout).toContain(
      `web01, restore point ${POINT.id}, disk 0: 256 KiB (256 KiB from 0x10000, 2 more)`,
    );
    const mended = {
      indexesWritten: 1,
      packsIndexed: 3,
      restored: ['hvbackup-repository.json'],
      restoredPoints: [],
      packsRewritten: 0,
      rewritten: [],
      quarantined: ['indexes/ab'],
      healed: 1,
      objects: 9,
    };
    const repairRepository = recorder({ ...common, ...mended, dryRun: true });
    const repaired = await run(['repair', '--repository', 'backups', '--dry-run'], { repairRepository });
    expect([repaired.code, repairRepository.calls]).toEqual([4, [{ repository, dryRun: true }]]);
    expect(repaired.stdout).toMatch(/3 would be named.*1 unreadable would be kept/s);
    expect(verifyRepository.calls).toEqual([{ repository, point: '01JD', sample: 10 }]);
    expect((await run(['verify', '--repository', 'b', '--sample', '0'])).code).toBe(2);
  });

  it.each(['--skip-unreadable', '--allow-holes'])('restore, %s', async (skip) => {
    const restorePoint = recorder({
      restorePointId: POINT.id,
      vmId: VM.id,
      vmName: 'copy',
      host: 'sim:/lab',
      kind: 'data' as const,
      replaced: false,
      disks: [{ index: 0, path: '/lab/copy.vhdx', size: 127 * GIB, writtenBytes: GIB }],
      networkAdapters: [
        { name: 'LAN', macAddress: '', dynamicMacAddress: true, switchName: 'Lab' },
        { name: 'Spare', macAddress: '', dynamicMacAddress: true },
      ],
      damaged: true,
      holes: [{ disk: 0, offset: 65536, length: 262144 }],
      moreHoles: 4,
      holeBytes: 300000,
      durationMs: 100,
      warnings: ['The network switch is not there.'],
    });
    const args = [
      'restore',
      '--repository',
      'backups',
      '--point',
      '01JD',
      '--host',
      'sim:lab',
      '--new-id',
      '--name',
      'copy',
    ];
    const mapped = ['--switch', 'Lab', '--switch=Old LAN=Lab=2'];
    const more = ['--kind', 'data', '--disk', '0', skip, ...mapped];
    const { code, stdout, stderr } = await run([...args, ...more], { restorePoint });
    expect(code).toBe(4);
    expect(stdout).toMatch(/could not be read and are zeros:\n\s+disk 0 from 0x10000: 256 KiB\n\s+… and 4 more/);
    expect(stdout).toContain(`Next: hvbackup vm show --host sim:/lab --vm ${VM.id}`);
    expect(stdout).toContain('/lab/copy.vhdx');
    expect(stdout).toContain('  LAN: on Lab\n  Spare: not connected\n');
    expect(stderr).toBe('Warning: The network switch is not there.\n');
    const from = {
      repository,
      point: '01JD',
      host: 'sim:lab',
      switches: [{ to: 'Lab' }, { from: 'Old LAN', to: 'Lab=2' }],
    };
    expect(restorePoint.calls).toEqual([
      { ...from, name: 'copy', newId: true, replace: false, kind: 'data', disks: [0], allowHoles: true },
    ]);
  });

  it('export', async () => {
    const exportPoint = recorder({
      restorePointId: POINT.id,
      vmName: 'web01',
      files: [{ disk: 1, path: '/out/1.raw', format: 'raw' as const, size: GIB, fileSize: GIB, writtenBytes: 4096 }],
      damaged: false,
      holes: [],
      moreHoles: 0,
      holeBytes: 0,
      durationMs: 100,
      warnings: [],
    });
    const args = [
      'export',
      '--repository',
      'backups',
      '--point',
      '01JD',
      '--to',
      'out',
      '--format',
      'RAW',
      '--disk',
      '1',
    ];
    const { json } = await run([...args, '--json'], { exportPoint });
    expect(json.files).toHaveLength(1);
    expect(exportPoint.calls).toEqual([
      {
        repository,
        point: '01JD',
        directory: resolve('out'),
        format: 'raw',
        azure: false,
        disks: [1],
        allowHoles: false,
      },
    ]);
    for (const skip of ['--skip-unreadable', '--allow-holes']) await run([...args, skip], { exportPoint });
    expect(exportPoint.calls.slice(1)).toMatchObject([{ allowHoles: true }, { allowHoles: true }]);
  });

  it('disk info and disk check', async () => {
    const image = { file: '/x.vhdx', format: 'vhdx' as const };
    const sizes = { size: GIB, fileSize: 4096, logicalSectorSize: 512, physicalSectorSize: 4096 };
    const diskInfo = recorder({ ...image, type: 'dynamic' as const, ...sizes });
    expect((await run(['disk', 'info', 'x.vhdx'], { diskInfo })).stdout).toContain('1 GiB (1073741824 bytes)');
    const diskCheck = recorder({ ...image, ok: false, problems: [{ message: 'bad checksum', offset: 65536 }] });
    const { code, stdout } = await run(['disk', 'check', 'x.vhdx'], { diskCheck });
    expect([code, stdout]).toEqual([4, '/x.vhdx (vhdx): 1 found wrong\n  0x10000: bad checksum\n']);
  });

  it('errors are one document on stdout and a sentence on stderr', async () => {
    const showPoint = async () => {
      throw new HvError('POINT_NOT_FOUND', 'There is no restore point 01JD.', { advice: 'List them.' });
    };
    const { code, json, stderr } = await run(['show', '--repository', 'b', '--point', '01JD', '--json'], { showPoint });
    expect(code).toBe(1);
    expect(json).toEqual({
      error: { code: 'POINT_NOT_FOUND', message: 'There is no restore point 01JD.', advice: 'List them.' },
    });
    expect(stderr).toBe('hvbackup: There is no restore point 01JD.\n  List them.\n');
  });
});
