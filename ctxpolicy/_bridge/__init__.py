"""Where synchronous code, threads and loops meet."""
