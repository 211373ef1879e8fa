/** What can be learned about a disk image without reading its content. */
export type DiskFormat = 'vhdx' | 'vhd' | 'raw';

/** How an image says where its parent is. Paths are as stored; a field that is not stored is absent. */
export interface ParentInfo {
  /** Identities the parent may have: VHDX DataWriteGuid (one, or two while a merge runs), VHD unique id. */
  linkage: string[];
  /** Path relative to the folder of the image. */
  relativePath?: string;
  /** Path with a volume GUID, `\\?\Volume{…}\…`. */
  volumePath?: string;
  absolutePath?: string;
}

export interface DiskInfo {
  path: string;
  format: DiskFormat;
  kind: 'fixed' | 'dynamic' | 'differencing' | 'raw';
  /** Virtual size, bytes. */
  size: number;
  /** Length of the image file, bytes. */
  fileSize: number;
  /** Allocation unit, bytes; null for formats without one. */
  blockSize: number | null;
  logicalSectorSize: number;
  physicalSectorSize: number;
  /** Program that wrote the image, as it calls itself; empty when not recorded. */
  creator: string;
  /** The disk's own identity: VHDX page 83 id, VHD unique id; null for raw. */
  diskId: string | null;
  /** VHDX: changes with every change of the disk's content; a child names it as its parent's linkage. Else null. */
  dataWriteGuid: string | null;
  /** VHDX: changes with every open that writes. Else null. */
  fileWriteGuid: string | null;
  parent: ParentInfo | null;
  /** VHDX: `dirty` = entries must be replayed (done in memory for reading, for real when opened to write). */
  log: 'none' | 'clean' | 'dirty';
  /** What else a person should know: oddities and damage that reading works around. Absent when there is nothing. */
  notes?: string[];
  /** Bytes of the file that hold content of the disk; only where asked for, it reads the allocation table. */
  allocatedBytes?: number;
}
