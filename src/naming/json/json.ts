/** Any JSON value; objects may hold fields that are not given. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: unknown };
