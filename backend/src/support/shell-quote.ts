/** Quotes a path in a command that a person may paste: nothing in it is run or replaced by the shell. */

/** Nothing of it means anything to a shell, in POSIX systems or in PowerShell. */
const PLAIN = { posix: /^[A-Za-z0-9_@%+=:,./-]+$/, windows: /^[A-Za-z0-9_:./\\-]+$/ };

/**
 * Single quotes: in POSIX shells and in PowerShell nothing within them is special but the quote itself.
 * @param platform for tests
 */
export function quoted(text: string, platform: string = process.platform): string {
  if (platform !== 'win32') return PLAIN.posix.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  // PowerShell takes typographic quotes for quotes.
  return PLAIN.windows.test(text) ? text : `'${text.replaceAll(/['\u2018\u2019\u201a\u201b]/g, '$&$&')}'`;
}
