/** Where a parent is looked for on Windows: an image must not send this machine to a server of its choice. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DiskInfo, ParentInfo } from '../../../backend/src/disk/index.ts';
import { parentCandidates } from '../../../backend/src/disk/parent.ts';
import { windowsPlace } from '../../../backend/src/disk/windows-place.ts';

const look = (file: string, parent: Omit<ParentInfo, 'linkage'>) =>
  parentCandidates({ path: file, parent: { linkage: [], ...parent } } as unknown as DiskInfo, true);

describe('places of Windows paths', () => {
  it.each([
    ['C:\\VMs\\a.vhdx', { kind: 'local' }],
    ['\\\\?\\C:\\VMs\\a.vhdx', { kind: 'local' }],
    ['\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\a.vhdx', { kind: 'local' }],
    ['\\\\Server\\Share\\a.vhdx', { kind: 'share', share: '\\\\server\\share' }],
    ['//server/share/a.vhdx', { kind: 'share', share: '\\\\server\\share' }],
    ['\\\\?\\UNC\\server\\share\\a.vhdx', { kind: 'share', share: '\\\\server\\share' }],
    ['\\\\.\\unc\\server\\share\\a.vhdx', { kind: 'share', share: '\\\\server\\share' }],
    ['\\\\server@SSL\\DavWWWRoot\\a.vhdx', { kind: 'share', share: '\\\\server@ssl\\davwwwroot' }],
    ['\\\\?\\GLOBALROOT\\Device\\Mup\\server\\share\\a', { kind: 'device' }],
    ['\\\\.\\pipe\\a', { kind: 'device' }],
    ['\\\\?\\Volume{x}\\a', { kind: 'device' }],
  ])('%s', (file, place) => expect(windowsPlace(file)).toEqual(place));
});

describe('parents that an image names', () => {
  const local = 'C:\\VMs\\child.avhdx';
  const remote = '\\\\files\\vms\\a\\child.avhdx';
  const beside = (file: string) => path.win32.join(path.win32.dirname(file), 'base.vhdx');

  it.each<[string, string, Omit<ParentInfo, 'linkage'>]>([
    ['by an absolute path', local, { absolutePath: '\\\\evil\\share\\base.vhdx' }],
    ['by a relative path that is none', local, { relativePath: '\\\\evil\\share\\base.vhdx' }],
    ['with other slashes', local, { relativePath: '//evil/share/base.vhdx' }],
    ['as a volume', local, { volumePath: '\\\\?\\UNC\\evil\\share\\base.vhdx' }],
    ['in the device space', local, { volumePath: '\\\\?\\GLOBALROOT\\Device\\Mup\\evil\\share\\base.vhdx' }],
    ['by another share of the same server', remote, { absolutePath: '\\\\files\\other\\base.vhdx' }],
    ['on the way through the own share', remote, { volumePath: '\\\\?\\UNC\\files\\vms\\..\\..\\evil\\x\\base.vhdx' }],
  ])('on a stranger’s server, %s, are not looked for', (_name, file, parent) => {
    const { places, refused } = look(file, parent);
    expect(places).toEqual([beside(file)]);
    expect(refused).toHaveLength(1);
  });

  it.each<[string, string, Omit<ParentInfo, 'linkage'>, string]>([
    ['the child’s own share', remote, { absolutePath: '\\\\FILES\\vms\\b\\base.vhdx' }, '\\\\FILES\\vms\\b\\base.vhdx'],
    ['a path from the child’s folder', remote, { relativePath: '..\\b\\base.vhdx' }, '\\\\files\\vms\\b\\base.vhdx'],
    ['a local drive', local, { absolutePath: 'D:\\b\\base.vhdx' }, 'D:\\b\\base.vhdx'],
    ['a local drive, from a share', remote, { absolutePath: 'D:\\b\\base.vhdx' }, 'D:\\b\\base.vhdx'],
  ])('on %s are', (_name, file, parent, place) => {
    expect(look(file, parent)).toEqual({ places: [place, beside(file)], refused: [] });
  });
});
