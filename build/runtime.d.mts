export declare const root: string;
export declare const REQUIRED_MAJOR: number;
export declare function findNode(): string | null;
