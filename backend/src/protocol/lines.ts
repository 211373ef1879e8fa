/**
 * Framing: one message a line, UTF-8, LF or CRLF. A line that is longer than the limit is dropped as it arrives, so a
 * peer cannot make us hold more than the limit in memory.
 */
const NEWLINE = 0x0a;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** A whole line without its end, or `null` in the place of one that was too long. */
export type Line = string | null;

export class LineSplitter {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;
  #dropping = false;
  #first = true;

  /** @param maxBytes longest line that is accepted, bytes, line end not counted */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @returns the lines that `chunk` completes, in order; empty lines are left out */
  push(chunk: Uint8Array): Line[] {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: Line[] = [];
    let start = 0;
    for (let end = buffer.indexOf(NEWLINE); end >= 0; end = buffer.indexOf(NEWLINE, start)) {
      this.#append(buffer.subarray(start, end));
      this.#complete(lines);
      start = end + 1;
    }
    this.#append(buffer.subarray(start));
    return lines;
  }

  /** @returns the last line when the input ended without a line end */
  end(): Line[] {
    const lines: Line[] = [];
    this.#complete(lines);
    return lines;
  }

  #append(part: Buffer): void {
    if (part.length === 0 || this.#dropping) return;
    if (this.#length + part.length > this.#maxBytes) {
      this.#dropping = true;
      this.#parts = [];
      return;
    }
    // The caller may reuse the chunk's memory.
    this.#parts.push(Buffer.from(part));
    this.#length += part.length;
  }

  #complete(lines: Line[]): void {
    if (this.#dropping) lines.push(null);
    else {
      let bytes = Buffer.concat(this.#parts, this.#length);
      // .NET's writers like to begin a stream with a byte order mark.
      if (this.#first && bytes.subarray(0, 3).equals(BOM)) bytes = bytes.subarray(3);
      const text = bytes.toString('utf8').replace(/\r$/, '');
      if (text.trim() !== '') lines.push(text);
    }
    this.#parts = [];
    this.#length = 0;
    this.#dropping = false;
    this.#first = false;
  }
}
