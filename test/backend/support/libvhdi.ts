/** libvhdi's view of a disk, by way of its shared library: the packaged tools cannot read content without FUSE. */
import { spawnSync } from 'node:child_process';
import { findTool } from './tools.ts';

const SCRIPT = `
import ctypes, hashlib, sys
P = ctypes.c_void_p
try:
    lib = ctypes.CDLL('libvhdi.so.1')
except OSError:
    sys.exit(77)
lib.libvhdi_file_read_buffer_at_offset.restype = ctypes.c_ssize_t
lib.libvhdi_file_read_buffer_at_offset.argtypes = [P, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int64, P]

def call(what, function, *arguments):
    error = P()
    result = function(*arguments, ctypes.byref(error))
    if result < 0 or result == 0:
        text = ctypes.create_string_buffer(4096)
        lib.libvhdi_error_sprint(error, text, 4096)
        sys.exit(what + ': ' + text.value.decode(errors='replace'))
    return result

files = []
for path in sys.argv[1:]:
    file = P()
    call('initialize', lib.libvhdi_file_initialize, ctypes.byref(file))
    call('open ' + path, lib.libvhdi_file_open, file, path.encode(), 1)
    files.append(file)
for child, parent in zip(files, files[1:]):
    call('parent', lib.libvhdi_file_set_parent_file, child, parent)
if files:
    size = ctypes.c_uint64()
    call('size', lib.libvhdi_file_get_media_size, files[0], ctypes.byref(size))
    digest = hashlib.sha256()
    buffer = ctypes.create_string_buffer(1 << 20)
    at = 0
    while at < size.value:
        length = min(1 << 20, size.value - at)
        call('read at %d' % at, lib.libvhdi_file_read_buffer_at_offset, files[0], buffer, length, at)
        digest.update(buffer.raw[:length])
        at += length
    print(size.value, digest.hexdigest())
`;

const python = findTool('python3');
const run = (args: string[]) => spawnSync(python!, ['-c', SCRIPT, ...args], { encoding: 'utf8' });

/** Whether python3 and libvhdi are there. */
export const hasLibvhdi = python !== null && run([]).status === 0;

/**
 * Size and content of a disk as libvhdi reads it.
 * @param chain the image, then its parents upwards
 */
export function libvhdiContent(...chain: string[]): { size: number; sha256: string } {
  const result = run(chain);
  if (result.status !== 0) throw new Error(`libvhdi: ${result.stdout}${result.stderr}`);
  const [size, sha256] = result.stdout.trim().split(' ');
  return { size: Number(size), sha256: sha256! };
}
