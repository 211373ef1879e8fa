import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../backend/src/protocol/lines.ts';

const bytes = (text: string) => Buffer.from(text, 'utf8');

describe('LineSplitter', () => {
  it('joins chunks cut anywhere, also within a character', () => {
    const source = bytes('{"a":"käse – 備份"}\n{"b":2}\r\n\n  \n{"c":3}');
    for (const step of [1, 2, 3, 7, source.length]) {
      const splitter = new LineSplitter(1000);
      const lines = [];
      for (let i = 0; i < source.length; i += step) lines.push(...splitter.push(source.subarray(i, i + step)));
      expect([...lines, ...splitter.end()]).toEqual(['{"a":"käse – 備份"}', '{"b":2}', '{"c":3}']);
    }
  });

  it('leaves out a byte order mark at the very beginning', () => {
    const splitter = new LineSplitter(1000);
    expect(splitter.push(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes('{}\n')]))).toEqual(['{}']);
  });

  it('reports a line that is too long once and goes on with the next', () => {
    const splitter = new LineSplitter(10);
    expect(splitter.push(bytes('12345678901'))).toEqual([]);
    expect(splitter.push(bytes('2'.repeat(1000)))).toEqual([]);
    expect(splitter.push(bytes('\n1234567890\n'))).toEqual([null, '1234567890']);
    expect(splitter.end()).toEqual([]);
  });

  it('does not keep the memory of a chunk', () => {
    const splitter = new LineSplitter(100);
    const chunk = bytes('first');
    splitter.push(chunk);
    chunk.fill(0);
    expect(splitter.push(bytes('\n'))).toEqual(['first']);
  });
});
