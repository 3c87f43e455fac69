/** The part of cli-progress 3.12 that is used here; the package ships no types. */
interface BarOptions {
  readonly format: string;
  readonly barsize: number;
  readonly hideCursor: boolean;
  readonly clearOnComplete: boolean;
  /** Lets the library listen for SIGINT; `main.ts` does that for everyone. */
  readonly gracefulExit: boolean;
}

interface Bar {
  start(total: number, done: number, fields: Record<string, string>): void;
  update(done: number, fields: Record<string, string>): void;
  stop(): void;
}

declare const progress: { readonly SingleBar: new (options: BarOptions) => Bar };
export default progress;
