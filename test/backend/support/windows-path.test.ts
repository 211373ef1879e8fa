import { describe, expect, it } from 'vitest';
import { toHvError } from '../../../backend/src/support/errors.ts';
import { isBarePrefix, withoutLongPathPrefix } from '../../../backend/src/support/windows-path.ts';

describe('the prefix that Node gives long paths on Windows', () => {
  it.each([
    ['\\\\?\\C:\\hv\\lab', 'C:\\hv\\lab'],
    ['\\\\?\\c:\\', 'c:\\'],
    ['\\\\?\\UNC\\server\\share\\a', '\\\\server\\share\\a'],
    ['\\\\?\\Volume{0b1f}\\a', '\\\\?\\Volume{0b1f}\\a'],
    ['\\\\server\\share', '\\\\server\\share'],
    ['C:\\a', 'C:\\a'],
    ['/a', '/a'],
  ])('%s without it is %s', (path, plain) => {
    expect(withoutLongPathPrefix(path)).toBe(plain);
  });

  it('what is left when nothing else is', () => {
    for (const path of ['\\\\?', '\\\\?\\', '\\\\?\\UNC', '\\\\?\\UNC\\']) expect(isBarePrefix(path), path).toBe(true);
    for (const path of ['\\\\?\\C:', '\\\\', '', 'C:\\']) expect(isBarePrefix(path), path).toBe(false);
  });

  it('is not what an error names', () => {
    // As Node 22 and 24 give it for mkdir of Q:\x\y, recursive, where there is no drive Q.
    const gone = Object.assign(new Error('ENOENT'), { code: 'ENOENT', syscall: 'mkdir', path: '\\\\?' });
    expect(toHvError(gone, 'Q:\\x\\y')).toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: 'There is no such file or folder: Q:\\x\\y (mkdir: ENOENT)',
      data: { path: 'Q:\\x\\y' },
    });
    expect(toHvError(gone).message).toBe('There is no such file or folder (mkdir: ENOENT)');
    const long = Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'mkdir', path: '\\\\?\\C:\\a' });
    expect(toHvError(long, 'other').data).toMatchObject({ path: 'C:\\a' });
  });
});
