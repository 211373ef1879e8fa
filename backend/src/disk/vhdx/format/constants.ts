/** Every constant of the VHDX format ([MS-VHDX] section 2). Sizes and offsets in bytes. */
const KIB = 1024;
export const MIB = 1024 * KIB;
const TIB = 1024 * 1024 * MIB;

/** 2.2: the first megabyte holds identifier, headers and region tables. */
export const HEADER_SECTION_SIZE = MIB;
export const FILE_IDENTIFIER = 'vhdxfile';
export const CREATOR_OFFSET = 8;
export const CREATOR_SIZE = 512;
export const HEADER_OFFSETS = [64 * KIB, 128 * KIB] as const;
export const HEADER_SIZE = 4 * KIB;
export const HEADER_SIGNATURE = 'head';
export const FORMAT_VERSION = 1;
export const LOG_VERSION = 0;
export const REGION_TABLE_OFFSETS = [192 * KIB, 256 * KIB] as const;
export const REGION_TABLE_SIZE = 64 * KIB;
export const REGION_TABLE_SIGNATURE = 'regi';
export const MAX_REGIONS = 2047;
/** Regions and payload blocks start at multiples of this. */
export const ALIGNMENT = MIB;

export const BAT_REGION = '2dc27766-f623-4200-9d64-115e9bfd4a08';
export const METADATA_REGION = '8b7ca206-4790-4b9a-b8fe-575f050f886e';

/** 2.3: everything in the log counts in sectors of this size. */
export const LOG_SECTOR = 4 * KIB;
export const LOG_ENTRY_HEADER_SIZE = 64;
export const LOG_DESCRIPTOR_SIZE = 32;
/** The log never changes what lies before the region tables: identifier and headers. */
export const FIRST_LOGGABLE = REGION_TABLE_OFFSETS[0];
export const DEFAULT_LOG_SIZE = MIB;
/** Largest log that Microsoft's implementations take. */
export const MAX_LOG_SIZE = 1024 * MIB;

/** 2.5: block allocation table. */
export const BAT_ENTRY_SIZE = 8;
export const SECTOR_BITMAP_BLOCK_SIZE = MIB;
/** Sectors one sector bitmap block describes, a bit each. */
export const SECTORS_PER_CHUNK = 8 * SECTOR_BITMAP_BLOCK_SIZE;
export const PAYLOAD_NOT_PRESENT = 0;
export const PAYLOAD_UNDEFINED = 1;
export const PAYLOAD_ZERO = 2;
export const PAYLOAD_UNMAPPED = 3;
/** 0.95 drafts of the format wrote "unmapped" so. */
export const PAYLOAD_UNMAPPED_DRAFT = 5;
export const PAYLOAD_FULLY_PRESENT = 6;
export const PAYLOAD_PARTIALLY_PRESENT = 7;
export const BITMAP_PRESENT = 6;

/** 2.6: metadata. */
export const METADATA_SIGNATURE = 'metadata';
export const METADATA_TABLE_SIZE = 64 * KIB;
export const METADATA_ENTRY_SIZE = 32;
export const MAX_METADATA_ENTRIES = 2047;
export const MAX_METADATA_ITEM = MIB;
export const ITEM_FILE_PARAMETERS = 'caa16737-fa36-4d43-b3b6-33f0aa44e76b';
export const ITEM_DISK_SIZE = '2fa54224-cd1b-4876-b211-5dbed83bf4b8';
export const ITEM_DISK_ID = 'beca12ab-b2e6-4523-93ef-c309e000c746';
export const ITEM_LOGICAL_SECTOR = '8141bf1d-a96f-4709-ba47-f233a8faab5f';
export const ITEM_PHYSICAL_SECTOR = 'cda348c7-445d-4471-9cc9-e9885251c556';
export const ITEM_PARENT_LOCATOR = 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c';
/** Not in the specification; Microsoft's open implementation (openvmm, vhdx) knows them. */
export const ITEM_CHS = 'da02d7bc-3d3a-423c-ac88-2a36ab21479b';
export const ITEM_PMEM_LABEL = '10e1ae8a-4b7e-4169-a40f-cd70de928393';
export const ITEM_INCOMPLETE = '71cc85f0-1b69-4e28-9558-c3bf83ae75d3';

export const VHDX_PARENT_LOCATOR = 'b04aefb7-d19e-4a81-b789-25b8e9445913';
export const MAX_LOCATOR_ENTRIES = 256;

export const MIN_BLOCK_SIZE = MIB;
export const MAX_BLOCK_SIZE = 256 * MIB;
export const MAX_DISK_SIZE = 64 * TIB;
/** What Hyper-V chooses for new disks. */
export const DEFAULT_BLOCK_SIZE = 32 * MIB;
export const DEFAULT_DIFFERENCING_BLOCK_SIZE = 2 * MIB;
