/*
 * The types of virtdisk.h and of the little of kernel32 that goes with it, under names of our own, so that the same
 * source makes a library for .NET on Linux and a DLL for Windows. virtdisk.h is not included: layout.c compares the two.
 * On Linux ULONG is 32 bits wide and WCHAR 16, as on Windows; the calling convention of the platform is the right one
 * on both, because P/Invoke uses it too.
 */
#ifndef WINDOWS_TYPES_H
#define WINDOWS_TYPES_H

#include <stdint.h>

#ifdef _WIN32
#ifndef COMPARE_WITH_VIRTDISK_H
#define _INC_VIRTDISK /* windows.h brings virtdisk.h: its functions are the ones that are defined here */
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#define EXPORT __declspec(dllexport)
#define CALL WINAPI
#else
#define EXPORT __attribute__((visibility("default")))
#define CALL
typedef void *HANDLE;
typedef int32_t BOOL;
#define TRUE 1
#define FALSE 0
#endif

typedef struct { uint32_t a; uint16_t b, c; uint8_t d[8]; } vd_guid;

typedef struct { uint32_t DeviceId; vd_guid VendorId; } vd_storage_type;

/* NETRESOURCEW of winnetwk.h */
typedef struct {
  uint32_t Scope, Type, DisplayType, Usage;
  const uint16_t *LocalName, *RemoteName, *Comment, *Provider;
} vd_net_resource;

typedef struct {
  uint32_t Version;
  union {
    struct { uint32_t RWDepth; } Version1;
    struct { int32_t GetInfoOnly; int32_t ReadOnly; vd_guid ResiliencyGuid; } Version2;
    /* not in mingw-w64 10's header; from the Windows SDK and Microsoft's page of the structure */
    struct { int32_t GetInfoOnly; int32_t ReadOnly; vd_guid ResiliencyGuid; vd_guid SnapshotId; } Version3;
  };
} vd_open_parameters;

typedef struct {
  uint32_t Version;
  union {
    struct { uint32_t Reserved; } Version1;
    /* Windows SDK only; it moves the union to offset 8 */
    struct { uint64_t RestrictedOffset; uint64_t RestrictedLength; } Version2;
  };
} vd_attach_parameters;

typedef struct {
  uint32_t Version;
  union {
    struct { uint64_t VirtualSize; uint64_t PhysicalSize; uint32_t BlockSize; uint32_t SectorSize; } Size;
    vd_guid Guid;
    struct { int32_t ParentResolved; uint16_t ParentLocationBuffer[1]; } ParentLocation;
    vd_storage_type VirtualStorageType;
    uint32_t Number;
    struct { int32_t Enabled; int32_t NewerChanges; uint16_t MostRecentId[1]; } ChangeTrackingState;
  };
} vd_get_info;

typedef struct {
  uint32_t Version;
  union {
    const uint16_t *ParentFilePath;
    int32_t ChangeTrackingEnabled;
    struct { vd_guid LinkageId; const uint16_t *ParentFilePath; } ParentLocator;
  };
} vd_set_info;

typedef struct {
  uint32_t Version;
  union {
    struct { uint32_t MergeDepth; } Version1;
    struct { uint32_t MergeSourceDepth; uint32_t MergeTargetDepth; } Version2;
  };
} vd_merge_parameters;

typedef struct { uint64_t ByteOffset, ByteLength, Reserved; } vd_range;
typedef struct { uint32_t OperationStatus; uint64_t CurrentValue, CompletionValue; } vd_progress;
typedef struct { uint32_t Version; union { struct { vd_guid SnapshotId; } Version1; }; } vd_snapshot_parameters;
typedef struct { uint32_t Version; union { struct { vd_guid SnapshotId, LeafSnapshotId; } Version1; }; } vd_apply_parameters;

typedef struct {
  uint32_t Version;
  union {
    struct { vd_guid SnapshotId; const uint16_t *SnapshotFilePath; } SnapshotPath;
    vd_guid SnapshotId;
    const uint16_t *DefaultFilePath;
  };
} vd_modify_parameters;

/* OVERLAPPED */
typedef struct { uintptr_t Internal, InternalHigh; uint32_t Offset, OffsetHigh; HANDLE hEvent; } vd_overlapped;

enum {
  E_SUCCESS = 0, E_INVALID_FUNCTION = 1, E_FILE_NOT_FOUND = 2, E_PATH_NOT_FOUND = 3, E_ACCESS_DENIED = 5, E_INVALID_HANDLE = 6,
  E_NOT_ENOUGH_MEMORY = 8, E_SHARING_VIOLATION = 32, E_HANDLE_EOF = 38, E_NOT_SUPPORTED = 50, E_INVALID_PARAMETER = 87,
  E_INSUFFICIENT_BUFFER = 122, E_INVALID_NAME = 123, E_MORE_DATA = 234, E_UNSUPPORTED_COMPRESSION = 618,
  E_FILE_SYSTEM_LIMITATION = 665, E_IO_INCOMPLETE = 996, E_IO_PENDING = 997, E_NOT_FOUND = 1168, E_FILE_CORRUPT = 1392,
  E_FILE_ENCRYPTED = 6002
};
#define E_PARENT_NOT_FOUND 0xC03A000Du
#define E_PROVIDER_NOT_FOUND 0xC03A0014u
#define E_NOT_VIRTUAL_DISK 0xC03A0015u
#define E_VHD_INVALID_TYPE 0xC03A001Bu
#define E_VHD_INVALID_STATE 0xC03A001Cu
#define E_INVALID_TRACKING_ID 0xC03A0029u
#define E_TRACKING_DISABLED 0xC03A002Au
#define E_MISSING_TRACKING 0xC03A0030u

#define ACCESS_ATTACH_RO 0x10000u
#define ACCESS_ATTACH_RW 0x20000u
#define ACCESS_DETACH 0x40000u
#define ACCESS_GET_INFO 0x80000u
#define ACCESS_METAOPS 0x200000u
#define ACCESS_ALL 0x3F0000u

#define OPEN_NO_PARENTS 0x1u
#define OPEN_VHDSET_FILE_ONLY 0x40u
#define OPEN_FLAGS_KNOWN 0xFFFu

#define ATTACH_READ_ONLY 1u
#define ATTACH_NO_LOCAL_HOST 8u
#define ATTACH_FLAGS_KNOWN 0x7FFu

#endif
