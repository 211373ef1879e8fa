/** A buffer that is changed and put back, without copying all of it every time. */
export class Scratch {
  readonly bytes: Buffer;
  readonly #base: Buffer;
  #touched: [start: number, end: number][] = [];

  constructor(base: Buffer) {
    this.#base = base;
    this.bytes = Buffer.from(base);
  }

  /** [start, end) is about to change. */
  readonly touch = (start: number, end: number): void => {
    this.#touched.push([start, Math.min(end, this.bytes.length)]);
  };

  write(at: number, data: Uint8Array): void {
    this.touch(at, at + data.length);
    this.bytes.set(data.subarray(0, Math.max(0, this.bytes.length - at)), at);
  }

  /** Changes bytes [at, at + length) by `change`, which gets a view of them. */
  edit(at: number, length: number, change: (view: Buffer) => void): void {
    this.touch(at, at + length);
    change(this.bytes.subarray(at, at + length));
  }

  reset(): void {
    for (const [start, end] of this.#touched) this.#base.copy(this.bytes, start, start, end);
    this.#touched = [];
  }
}
