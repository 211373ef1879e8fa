/*
 * No part of the double: compiled by a test with mingw-w64, where it fails when a structure of windows-types.h differs from
 * virtdisk.h. The numbers beside are those that VirtDiskNative.cs has; the tests read them from here.
 */
#ifdef COMPARE_WITH_VIRTDISK_H
#include <stddef.h>
#include "windows-types.h"
#include <virtdisk.h>
#include <winnetwk.h>

#define SIZE(ours, theirs, bytes) \
  _Static_assert(sizeof(ours) == bytes, #ours); \
  _Static_assert(sizeof(theirs) == bytes, #theirs)
#define AT(ours, theirs, member, bytes) \
  _Static_assert(offsetof(ours, member) == bytes, #ours "." #member); \
  _Static_assert(offsetof(theirs, member) == bytes, #theirs "." #member)
#define AT_AS(ours, own_member, theirs, member, bytes) \
  _Static_assert(offsetof(ours, own_member) == bytes, #ours "." #own_member); \
  _Static_assert(offsetof(theirs, member) == bytes, #theirs "." #member)

SIZE(vd_storage_type, VIRTUAL_STORAGE_TYPE, 20);
AT(vd_storage_type, VIRTUAL_STORAGE_TYPE, VendorId, 4);
SIZE(vd_net_resource, NETRESOURCEW, 48);
AT_AS(vd_net_resource, Type, NETRESOURCEW, dwType, 4);
AT_AS(vd_net_resource, LocalName, NETRESOURCEW, lpLocalName, 16);
AT_AS(vd_net_resource, RemoteName, NETRESOURCEW, lpRemoteName, 24);
AT_AS(vd_net_resource, Provider, NETRESOURCEW, lpProvider, 40);
SIZE(vd_get_info, GET_VIRTUAL_DISK_INFO, 32);
AT(vd_get_info, GET_VIRTUAL_DISK_INFO, Size.VirtualSize, 8);
AT(vd_get_info, GET_VIRTUAL_DISK_INFO, Size.PhysicalSize, 16);
AT(vd_get_info, GET_VIRTUAL_DISK_INFO, Size.BlockSize, 24);
AT(vd_get_info, GET_VIRTUAL_DISK_INFO, Size.SectorSize, 28);
AT_AS(vd_get_info, Guid, GET_VIRTUAL_DISK_INFO, VirtualDiskId, 8);
AT_AS(vd_get_info, Number, GET_VIRTUAL_DISK_INFO, ProviderSubtype, 8);
AT(vd_get_info, GET_VIRTUAL_DISK_INFO, ParentLocation.ParentResolved, 8);
AT(vd_get_info, GET_VIRTUAL_DISK_INFO, ParentLocation.ParentLocationBuffer, 12);
AT(vd_get_info, GET_VIRTUAL_DISK_INFO, ChangeTrackingState.Enabled, 8);
AT(vd_get_info, GET_VIRTUAL_DISK_INFO, ChangeTrackingState.NewerChanges, 12);
AT(vd_get_info, GET_VIRTUAL_DISK_INFO, ChangeTrackingState.MostRecentId, 16);
SIZE(vd_set_info, SET_VIRTUAL_DISK_INFO, 32);
AT(vd_set_info, SET_VIRTUAL_DISK_INFO, ChangeTrackingEnabled, 8);
AT(vd_open_parameters, OPEN_VIRTUAL_DISK_PARAMETERS, Version1.RWDepth, 4);
AT(vd_open_parameters, OPEN_VIRTUAL_DISK_PARAMETERS, Version2.GetInfoOnly, 4);
AT(vd_open_parameters, OPEN_VIRTUAL_DISK_PARAMETERS, Version2.ReadOnly, 8);
AT(vd_open_parameters, OPEN_VIRTUAL_DISK_PARAMETERS, Version2.ResiliencyGuid, 12);
/* version 3 and attach version 2 are not in mingw-w64 10: sizes from the Windows SDK's declaration */
_Static_assert(sizeof(vd_open_parameters) == 44, "open version 3");
_Static_assert(offsetof(vd_open_parameters, Version3.SnapshotId) == 28, "open version 3, snapshot");
_Static_assert(sizeof(vd_attach_parameters) == 24, "attach version 2");
_Static_assert(sizeof(ATTACH_VIRTUAL_DISK_PARAMETERS) <= 24, "attach version 1 fits");
SIZE(vd_merge_parameters, MERGE_VIRTUAL_DISK_PARAMETERS, 12);
AT(vd_merge_parameters, MERGE_VIRTUAL_DISK_PARAMETERS, Version1.MergeDepth, 4);
AT(vd_merge_parameters, MERGE_VIRTUAL_DISK_PARAMETERS, Version2.MergeTargetDepth, 8);
SIZE(vd_range, QUERY_CHANGES_VIRTUAL_DISK_RANGE, 24);
AT(vd_range, QUERY_CHANGES_VIRTUAL_DISK_RANGE, ByteLength, 8);
SIZE(vd_progress, VIRTUAL_DISK_PROGRESS, 24);
AT(vd_progress, VIRTUAL_DISK_PROGRESS, CurrentValue, 8);
SIZE(vd_snapshot_parameters, TAKE_SNAPSHOT_VHDSET_PARAMETERS, 20);
SIZE(vd_snapshot_parameters, DELETE_SNAPSHOT_VHDSET_PARAMETERS, 20);
AT(vd_snapshot_parameters, TAKE_SNAPSHOT_VHDSET_PARAMETERS, Version1.SnapshotId, 4);
SIZE(vd_apply_parameters, APPLY_SNAPSHOT_VHDSET_PARAMETERS, 36);
AT(vd_apply_parameters, APPLY_SNAPSHOT_VHDSET_PARAMETERS, Version1.LeafSnapshotId, 20);
SIZE(vd_modify_parameters, MODIFY_VHDSET_PARAMETERS, 32);
AT(vd_modify_parameters, MODIFY_VHDSET_PARAMETERS, SnapshotPath.SnapshotId, 8);
AT(vd_modify_parameters, MODIFY_VHDSET_PARAMETERS, SnapshotPath.SnapshotFilePath, 24);
AT(vd_modify_parameters, MODIFY_VHDSET_PARAMETERS, DefaultFilePath, 8);
SIZE(vd_overlapped, OVERLAPPED, 32);
AT(vd_overlapped, OVERLAPPED, Offset, 16);
AT(vd_overlapped, OVERLAPPED, hEvent, 24);

/* constants */
_Static_assert(ACCESS_GET_INFO == VIRTUAL_DISK_ACCESS_GET_INFO && ACCESS_METAOPS == VIRTUAL_DISK_ACCESS_METAOPS, "masks");
_Static_assert(ATTACH_NO_LOCAL_HOST == ATTACH_VIRTUAL_DISK_FLAG_NO_LOCAL_HOST && ATTACH_READ_ONLY == ATTACH_VIRTUAL_DISK_FLAG_READ_ONLY, "flags");
_Static_assert(GET_VIRTUAL_DISK_INFO_VIRTUAL_DISK_ID == 14 && GET_VIRTUAL_DISK_INFO_CHANGE_TRACKING_STATE == 15, "get versions");
_Static_assert(SET_VIRTUAL_DISK_INFO_CHANGE_TRACKING_STATE == 6, "set versions");
_Static_assert(MODIFY_VHDSET_SNAPSHOT_PATH == 1 && MODIFY_VHDSET_REMOVE_SNAPSHOT == 2 && MODIFY_VHDSET_DEFAULT_SNAPSHOT_PATH == 3, "modify");
_Static_assert(DELETE_SNAPSHOT_VHDSET_FLAG_PERSIST_RCT == 1 && APPLY_SNAPSHOT_VHDSET_FLAG_WRITEABLE == 1, "snapshot flags");
#else
typedef int layout_is_compiled_with_mingw_only;
#endif
