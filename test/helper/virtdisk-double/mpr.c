/*
 * The two functions of mpr.dll that NetworkShare.cs calls, for .NET on Linux. HVB_MPR_ACCOUNT is `user password`, the one that may connect;
 * HVB_MPR_CONNECTED `user`: whom this logon session is connected as already. Windows' codes are those that its documentation names.
 */
#ifndef _WIN32
#include <stdlib.h>
#include <string.h>
#include "double.h"

/* NETRESOURCEW (winnetwk.h); layout.c compares. */
typedef vd_net_resource net_resource;

static char connected[TEXT_MAX], connected_as[256];

static int text_of(const uint16_t *text, char *out, size_t room) { return text != NULL && to_utf8(text, out, room); }

EXPORT uint32_t CALL WNetAddConnection2W(const net_resource *resource, const uint16_t *password, const uint16_t *user, uint32_t flags) {
  char remote[TEXT_MAX], name[256], secret[256], expected[600];
  if (resource == NULL || resource->Type != 0 || resource->Scope != 0 || resource->DisplayType != 0 || resource->Usage != 0) return 87;
  /* no drive letter, no provider by name, nothing that is remembered at the next logon */
  if (resource->LocalName != NULL || resource->Provider != NULL || flags != 4) return 87;
  if (!text_of(resource->RemoteName, remote, sizeof remote) || strncmp(remote, "\\\\", 2) != 0) return 67;
  const char *share = strchr(remote + 2, '\\');
  if (share == NULL || strcmp(share, "\\IPC$") != 0) return 67;
  if (!text_of(user, name, sizeof name) || !text_of(password, secret, sizeof secret)) return 1326;
  const char *already = connected_as[0] ? connected_as : getenv("HVB_MPR_CONNECTED");
  if (already != NULL && strcmp(already, name) != 0) return 1219;
  const char *account = getenv("HVB_MPR_ACCOUNT");
  snprintf(expected, sizeof expected, "%s %s", name, secret);
  if (account == NULL || strcmp(account, expected) != 0) return 1326;
  strcpy(connected, remote);
  strcpy(connected_as, name);
  return 0;
}

EXPORT uint32_t CALL WNetCancelConnection2W(const uint16_t *name, uint32_t flags, int32_t force) {
  char remote[TEXT_MAX];
  if (flags != 0 || force != 0) return 87;
  if (!text_of(name, remote, sizeof remote) || !connected[0] || strcmp(remote, connected) != 0) return 2250;
  connected[0] = connected_as[0] = 0;
  return 0;
}
#endif
