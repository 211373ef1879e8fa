/** Aligned text tables and lists for people; the terminal makes each line printable, character for character. */

export interface Column<T> {
  title: string;
  value: (row: T) => string;
  align?: 'right';
}

/** @returns one line a row under a line of titles; columns two spaces apart */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[]): string[] {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => columns.map((c) => c.value(row)))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => [...line[index]!].length)));
  return cells.map((line) =>
    line
      .map((cell, index) => {
        const padding = ' '.repeat(widths[index]! - [...cell].length);
        return columns[index]!.align === 'right' ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** @returns `Name   value` lines, aligned; entries without a value are left out */
export function properties(entries: readonly (readonly [string, string | number | boolean | undefined])[]): string[] {
  const known = entries.filter((entry) => entry[1] !== undefined);
  const width = Math.max(0, ...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd());
}
