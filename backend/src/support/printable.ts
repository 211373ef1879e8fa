/** Text from elsewhere (names of VMs, files, notes, messages of other programs) on its way to a terminal. */

/**
 * What a terminal obeys instead of showing it: control characters, the marks and overrides of writing direction, line
 * and paragraph separators, characters without a width that make two names look alike, tags, halves of surrogate pairs.
 * The joiners U+200C and U+200D stay: scripts and emoji need them.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to remove
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** One line that a terminal shows as it is: each unsafe character is U+FFFD. */
export const printable = (text: string): string => text.replace(UNSAFE, '\u{fffd}');

/** JSON of the same value, in which the unsafe characters are escaped: exact for programs, harmless for terminals. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value).replace(UNSAFE, (unsafe) => unsafe.split('').map(escaped).join(''));

/** One code unit as JSON writes it with digits. */
const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
