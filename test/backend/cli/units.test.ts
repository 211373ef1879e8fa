import { describe, expect, it } from 'vitest';
import { properties, table } from '../../../backend/src/cli/table.ts';
import { formatBytes, formatDuration, parseInteger, parseSize } from '../../../backend/src/cli/units.ts';
import { printable } from '../../../backend/src/support/printable.ts';
import { nearest } from '../../../backend/src/support/suggest.ts';

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['256K', 256 * 1024],
    ['1M', 1024 ** 2],
    ['10G', 10 * 1024 ** 3],
    ['1.5g', 1.5 * 1024 ** 3],
    ['64 TiB', 64 * 1024 ** 4],
    ['2MB', 2 * 1024 ** 2],
    ['10b', 10],
  ])('reads %s', (text, bytes) => expect(parseSize(text, '--size')).toBe(bytes));

  it.each(['', 'K', '-1', '1X', '1.3', '0.1K', '9999P', '1e3', '0x10', '1 2', 'NaN'])('refuses "%s"', (text) => {
    expect(() => parseSize(text, '--size')).toThrow(/--size: ".*" is not a size/);
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [10 * 1024 ** 2, '10 MiB'],
    [1023.9 * 1024, '1 MiB'],
    [127 * 1024 ** 3, '127 GiB'],
    [100 * 1024, '100 KiB'],
    [64 * 1024 ** 4, '64 TiB'],
  ])('writes %i as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

it.each([
  [0, '0 ms'],
  [999.4, '999 ms'],
  [4200, '4.2 s'],
  [59_949, '59.9 s'],
  [59_960, '1 min 00 s'],
  [185_000, '3 min 05 s'],
  [7_800_000, '2 h 10 min'],
])('writes %d ms as %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

describe('whole numbers', () => {
  it('reads decimal and hexadecimal', () =>
    expect([parseInteger('12', '--n', 0), parseInteger('0xff', '--n', 0)]).toEqual([12, 255]));
  it.each(['', '1.5', 'x', '-1', '256', '1e2'])('refuses "%s"', (text) => {
    expect(() => parseInteger(text, '--fill', 0, 255)).toThrow(/--fill: .* from 0 to 255/);
  });
});

describe('tables', () => {
  it('align, also what the terminal replaces', () => {
    const rows = [
      { name: 'a', n: 5 },
      { name: 'über\u001b[31m', n: 1234 },
    ];
    expect(
      table(rows, [
        { title: 'NAME', value: (row) => row.name },
        { title: 'N', value: (row) => String(row.n), align: 'right' },
      ]).map(printable),
    ).toEqual(['NAME          N', 'a             5', 'über\ufffd[31m  1234']);
  });

  it('list properties that have a value', () => {
    expect(
      properties([
        ['Name', 'x'],
        ['Nothing', undefined],
        ['Processors', 2],
      ]),
    ).toEqual(['Name        x', 'Processors  2']);
  });
});

describe('suggestions', () => {
  const words = ['backup', 'list', 'restore', 'repository', 'verify', 'export'];
  it.each([
    ['bakcup', 'backup'],
    ['backups', 'backup'],
    ['restor', 'restore'],
    ['lst', 'list'],
    ['repo', 'repository'],
    ['verfiy', 'verify'],
    ['frobnicate', null],
    ['x', null],
    ['', null],
  ])('%s → %s', (word, expected) => expect(nearest(word, words)).toBe(expected));
});
