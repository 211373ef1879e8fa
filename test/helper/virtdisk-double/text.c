/* UTF-16 of Windows, UTF-8 of files. An unpaired surrogate becomes U+FFFD. */
#include <string.h>
#include "double.h"

static int put(uint32_t c, char *out, size_t room, size_t *at) {
  unsigned char b[4];
  int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  if (*at + (size_t)n >= room) return 0;
  if (n == 1) b[0] = (unsigned char)c;
  else {
    for (int i = n - 1; i > 0; i--, c >>= 6) b[i] = 0x80 | (c & 0x3F);
    b[0] = (unsigned char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c);
  }
  memcpy(out + *at, b, (size_t)n);
  *at += (size_t)n;
  return 1;
}

int to_utf8(const uint16_t *text, char *out, size_t room) {
  size_t at = 0;
  for (; *text; text++) {
    uint32_t c = *text;
    if (c >= 0xD800 && c < 0xDC00 && text[1] >= 0xDC00 && text[1] < 0xE000) c = 0x10000 + ((c - 0xD800) << 10) + (*++text - 0xDC00);
    else if (c >= 0xD800 && c < 0xE000) c = 0xFFFD;
    if (!put(c, out, room, &at)) return 0;
  }
  out[at] = 0;
  return 1;
}

static uint32_t next(const unsigned char **text) {
  const unsigned char *t = *text;
  int n = t[0] < 0x80 ? 0 : t[0] < 0xE0 ? 1 : t[0] < 0xF0 ? 2 : 3;
  uint32_t c = n == 0 ? t[0] : n == 1 ? t[0] & 0x1F : n == 2 ? t[0] & 0xF : t[0] & 7;
  t++;
  for (; n > 0 && *t; n--, t++) c = c << 6 | (*t & 0x3F);
  *text = t;
  return c;
}

size_t utf16_length(const char *text) {
  size_t n = 0;
  const unsigned char *t = (const unsigned char *)text;
  while (*t) n += next(&t) >= 0x10000 ? 2 : 1;
  return n;
}

size_t to_utf16(const char *text, uint16_t *out) {
  size_t n = 0;
  const unsigned char *t = (const unsigned char *)text;
  while (*t) {
    uint32_t c = next(&t);
    if (c >= 0x10000) {
      out[n++] = (uint16_t)(0xD800 + ((c - 0x10000) >> 10));
      out[n++] = (uint16_t)(0xDC00 + ((c - 0x10000) & 0x3FF));
    } else out[n++] = (uint16_t)c;
  }
  out[n] = 0;
  return n;
}

FILE *open_file(const char *path, const char *mode) {
#ifdef _WIN32
  wchar_t wide[TEXT_MAX], wide_mode[8];
  if (strlen(path) >= TEXT_MAX) return NULL;
  to_utf16(path, (uint16_t *)wide);
  to_utf16(mode, (uint16_t *)wide_mode);
  return _wfopen(wide, wide_mode);
#else
  return fopen(path, mode);
#endif
}
