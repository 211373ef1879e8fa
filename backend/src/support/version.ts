/** Version of the product: equal to package.json's and the module manifest's (a test compares them). */
export const VERSION = '0.1.0';
